"""Sphinx builds the site, and the man pages: sphinx-build -W docs docs/_build (see CONTRIBUTING.md)."""

import argparse
import os
import sys
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from fields import fields

import sigrec
from sigrec import cli

project = "sigrec"
author = "the sigrec authors"
release = version = sigrec.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# Types of the standard library are not in these pages.
nitpick_ignore_regex = [(r"py:.*", r".*")]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_use_type_comments = False

html_theme = "furo"
html_title = f"sigrec {version}"
html_static_path = ["pictures/pictures.css"]
html_css_files = ["pictures.css"]
html_show_copyright = False
copybutton_exclude = ".linenos, .gp, .go"

man_pages = [
    ("reference/cli", "sigrec", "a flight recorder for POSIX signals in Python", [author], 1)
]


def _fields(app, what, name, obj, options, lines):
    lines[:] = fields(what, obj, lines)


class CommandLine(SphinxDirective):
    """A section for each verb: what --help says, from the parser itself."""

    def run(self):
        os.environ["COLUMNS"] = "80"
        top = cli.parser()
        verbs = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction)).choices
        return [
            self.section("sigrec", top),
            *(self.section(f"sigrec {v}", verbs[v]) for v in verbs),
        ]

    def section(self, title, parser):
        section = nodes.section(ids=[nodes.make_id(title)])
        section += nodes.title(title, title)
        section += nodes.literal_block(text=parser.format_help(), language="text")
        return section


def setup(app):
    app.add_directive("command-line", CommandLine)
    app.connect("autodoc-process-docstring", _fields)
