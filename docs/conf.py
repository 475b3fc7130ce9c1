"""Sphinx builds the site, and the man pages: sphinx-build -W docs docs/_build (see CONTRIBUTING.md)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import sigrec

project = "sigrec"
author = "the sigrec authors"
release = version = sigrec.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxarg.ext", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# Types of the standard library are not in these pages.
nitpick_ignore_regex = [(r"py:.*", r".*")]

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
