"""The documentation: every block of code does what the page says, and the site has no broken link."""

import configparser
import doctest
import html.parser
import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import sigrec

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>.+) -->\n)?^```(?P<language>\S+)\n(?P<code>.*?)^```$", re.M | re.S
)
# What is not installed everywhere: in which blocks it is used.
USED = {"gunicorn": "gunicorn", "uvloop": "uvloop", "pyarrow": "parquet", "duckdb": "duckdb"}
END = "--- end of block"
TUTORIAL = DOCS / "tutorial.md"
# How the tutorial begins; the short form has it all there already.
INSTALL = re.compile(r"^(python3 -m venv|\. \.venv/bin/activate|pip install) ?.*\n", re.M)


def blocks(page):
    """(language, code, line) of those that are to be run, and of the output they show."""
    text = page.read_text()
    for match in FENCE.finditer(text):
        if not match["why"] and not match["language"].startswith("{"):
            yield match["language"], match["code"], text.count("\n", 0, match.start()) + 1


def matches(shown, printed):
    """Numbers may be others, spaces may be more; ... (one character) stands for anything."""
    pattern = ""
    for part in re.findall(r"\d+|…|\s+|[^\d…\s]+", shown.strip()):
        if part.isdigit():
            pattern += r"\d+"
        elif part == "…":
            pattern += r"[^\n]*"
        elif part.isspace():
            pattern += r"\s+"
        else:
            pattern += re.escape(part)
    return re.fullmatch(pattern, printed.strip())


def run(page, language, command, options, left_out=None):
    """Runs all blocks of that language in one session, one after another."""
    found = [(code, line) for name, code, line in blocks(page) if name in (language, "text")]
    expected, script = {}, []
    for name, code, line in blocks(page):
        if name == language:
            script.append((left_out.sub("", code) if left_out else code, line))
        elif name == "text" and script:
            expected[script[-1][1]] = code
    if not script:
        return
    say = {"sh": f"echo '{END}'\n", "python": f"print('{END}', flush=True)\n"}[language]
    # Where a command fails, what runs in the background would keep our pipes open.
    first = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" if language == "sh" else ""
    done = subprocess.run(
        command, input=first + "\n".join(code + say for code, _ in script), text=True,
        capture_output=True, timeout=300, **options,
    )  # fmt: skip
    printed = done.stdout.split(END + "\n")
    where = f"{page.relative_to(ROOT)}:{script[min(len(printed), len(script)) - 1][1]}"
    assert done.returncode == 0, f"{where} fails: {printed[-1]}{done.stderr}"
    for (_, line), output in zip(script, printed, strict=False):
        if line in expected:
            assert matches(expected[line], output), (
                f"{page.relative_to(ROOT)}:{line} shows\n{expected[line]}\nand prints\n{output}"
            )
    assert found


@pytest.mark.parametrize(
    "page, installs",
    [
        *(
            pytest.param(
                page,
                False,
                id=str(page.relative_to(DOCS)),
                # 15 s: it waits for scrapes; 3 s: pytest in pytest
                marks=[pytest.mark.long] * (page.name in ("fleet.md", "count-in-a-test.md")),
            )
            for page in PAGES
        ),
        pytest.param(TUTORIAL, True, id="tutorial.md, installed", marks=pytest.mark.long),
    ],
)
def test_every_block_does_what_the_page_says(page, installs, request, tmp_path, run_directory):
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    if installs:  # in an empty environment, with what people get
        _, wheel = request.getfixturevalue("built")
        environment["PIP_FIND_LINKS"] = str(wheel.parent)
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "python3").symlink_to(sys.executable)
        path = [tmp_path / "bin"]
    else:
        path = [commands(tmp_path / "bin"), Path(sys.executable).parent]
        # A link to the interpreter is in no virtual environment.
        installed = sysconfig.get_path("purelib")
        environment["PYTHONPATH"] = f"{Path(sigrec.__file__).parent.parent}:{installed}"
        if not entry_points(group="pytest11", name="sigrec"):  # it is not installed, but built
            environment["PYTEST_PLUGINS"] = "sigrec._pytest_plugin"
    environment["PATH"] = os.pathsep.join([*map(str, path), os.environ["PATH"]])
    here = tmp_path / "empty"
    here.mkdir()
    text = page.read_text()
    for language, code, _ in blocks(page):
        for module, used in USED.items():
            if re.search(used, code) and language in ("sh", "python"):
                pytest.importorskip(module)
        if language == "c":
            (here / re.search(r"Save it as `(\S+)`", text)[1]).write_text(code)
        elif language == "ini":
            configparser.RawConfigParser(strict=False).read_string(code)
        elif language == "yaml":
            pytest.importorskip("yaml").safe_load(code)
        else:
            assert language in ("sh", "python", "text"), f"{page}: who runs {language}?"
    options = {"cwd": here, "env": environment}
    left_out = INSTALL if page == TUTORIAL and not installs else None
    run(page, "sh", ["bash", "-e"], options, left_out)
    run(page, "python", [sys.executable, "-"], options)


def commands(directory):
    """`sigrec` and `python`, of the package that is tested here."""
    directory.mkdir()
    (directory / "python").symlink_to(sys.executable)
    script = directory / "sigrec"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m sigrec "$@"\n')
    script.chmod(0o755)
    return directory


# --- the site --------------------------------------------------------------------------


class Links(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(page.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        for name in ("href", "src"):
            if found.get(name):
                self.links.add(found[name])


def anchors(text):
    """Of its headings, as myst-parser and GitHub make them, and those that it names."""
    prose = FENCE.sub("", text)
    headings = re.findall(r"^#+ (.+)$", prose, re.M)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r"^\(([\w-]+)\)=$", text, re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_no_link_in_the_sources_leads_nowhere(page):
    """The short form of the next: without the site, which takes its time to make."""
    links = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text()))
    for to, anchor in (urldefrag(unquote(link)) for link in links):
        if ":" in to:
            continue
        target = (page.parent / to).resolve() if to else page
        assert target.exists(), f"{page.name}: {to}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), f"{page.name}: {to}#{anchor}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("furo")
    directory = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "PYTHONPATH": str(Path(sigrec.__file__).parent.parent)}
    for builder in ("html", "man"):
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder,
             "-d", directory / "made", DOCS, directory / builder],
            capture_output=True, text=True, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.long
def test_the_site_has_no_broken_link(site):
    pages = {page: Links(page) for page in (site / "html").rglob("*.html")}
    assert len(pages) > len(PAGES)
    broken = []
    for page, found in pages.items():
        for link in found.links:
            to, anchor = urldefrag(unquote(link))
            if re.match(r"[a-z]+:", to):
                continue
            target = (page.parent / to.partition("?")[0]).resolve() if to else page
            known = pages.get(target)
            if not target.exists() or (anchor and known and anchor not in known.ids):
                broken.append(f"{page.name}: {link}")
    assert broken == []


@pytest.mark.long
def test_the_man_page_has_every_verb(site):
    from sigrec.cli import VERBS

    text = (site / "man" / "sigrec.1").read_text()
    for verb in VERBS:
        assert f"usage: sigrec {verb}" in text.replace("\\", "")
    if man := shutil.which("man"):
        done = subprocess.run(
            [man, "--warnings", "-l", site / "man" / "sigrec.1"], capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stderr == ""


def documented():
    """(name, object, docstring) of what is on the page of the API."""
    for name in sigrec.__all__:
        value = getattr(sigrec, name)
        yield name, value, value.__doc__
        if inspect.isclass(value):
            for member, what in vars(value).items():
                if not member.startswith("_") and getattr(what, "__doc__", None):
                    yield f"{name}.{member}", what, what.__doc__


def test_no_docstring_is_cut_in_mid_sentence():
    """By the making of fields out of ``name: text``: a line can begin with such words by chance."""
    sys.path.insert(0, str(DOCS))
    try:
        from fields import fields
    finally:
        sys.path.remove(str(DOCS))
    found = 0
    for name, value, text in documented():
        lines = fields(name, value, inspect.cleandoc(text).splitlines())
        for block in re.split(r"\n\s*\n|\n(?=:param )", "\n".join(lines)):
            found += block.startswith(":param ")
            assert block.startswith((">>>", "    ")) or block.rstrip().endswith(
                (".", ":", "::", "``")
            ), f"{name}: {block}"
    assert found > 15


def test_the_examples_in_docstrings_do_what_they_say():
    found = 0
    for name, _, text in documented():
        parsed = doctest.DocTestParser().get_doctest(text, {"sigrec": sigrec}, name, None, None)
        found += bool(parsed.examples)
        assert not doctest.DocTestRunner().run(parsed).failed, name
    assert found >= 2


def test_the_reference_has_every_name():
    text = (DOCS / "reference" / "api.md").read_text()
    for name in sigrec.__all__:
        assert re.search(rf"::\s+sigrec\.{name}\b", text), name


def test_the_picture_of_the_flood_shows_what_was_measured():
    measured = (DOCS / "explanation" / "measured.md").read_text()
    shown = re.findall(r">([\d,]+)</text>", (DOCS / "pictures" / "flood.svg").read_text())
    assert len(shown) == 5
    for figure in shown:
        assert re.search(rf"\| {figure} /", measured), figure


def test_the_picture_of_progress_shows_what_was_measured():
    measured = (DOCS / "explanation" / "measured.md").read_text()
    rows = re.findall(r"^\|.* \| ([\d.]+) % \| [\d.]+ % \| [\d,]+ \|$", measured, re.MULTILINE)
    assert len(rows) == 18
    for file in ("progress.svg", "progress-alone.svg"):
        shown = re.findall(r">(\d+) %</text>", (DOCS / "pictures" / file).read_text())
        assert shown == [f"{min(float(row), 100):.0f}" for row in rows]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_no_link_to_a_file_that_is_not_there(name):
    text = (ROOT / name).read_text()
    targets = [urldefrag(link).url for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    gone = [link for link in targets if link and ":" not in link and not (ROOT / link).exists()]
    assert not gone
