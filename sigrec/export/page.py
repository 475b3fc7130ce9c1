"""Fills the page that ``export --format html`` writes:
page.html, with its style and page.js in it. The page is ASCII."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pkgutil import get_data
from string import Template

from sigrec import __version__


def fill(**parts: str) -> str:
    """Returns the filled page.
    Its content security policy allows this style and this script, and nothing else."""
    style, script = common_style() + _page_file("page.css"), _page_file("page.js")
    return Template(_page_file("page.html")).substitute(
        parts,
        version=__version__,
        style=style,
        script=script,
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
    )


def common_style() -> str:
    """What the live page of ``sigrec serve`` looks like, too."""
    return _page_file("common.css")


def _page_file(name: str) -> str:
    raw = get_data("sigrec.export", name)
    assert raw is not None
    return raw.decode("ascii")


def _policy_hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
