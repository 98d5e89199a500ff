"""How Sphinx builds the documentation; `make docs` calls it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

from figures import gallery, picture_of, read_figures  # noqa: E402

# In the order of the page of the tutorials.
TUTORIALS = re.findall(r"^:link: (.+)$", (DOCS / "tutorials" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
FIGURES = [figure for name in TUTORIALS for figure in read_figures(ROOT / "tutorials" / f"{name}.ipynb")]
ON_READ_THE_DOCS = "READTHEDOCS" in os.environ

project = "scivis"
author = "scivis developers"
copyright = f"2026, {author}"
version = release = installed_version("scivis")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
bibtex_bibfiles = ["references.bib"]
default_role = "literal"

autosummary_generate = True
napoleon_google_docstring = False
typehints_defaults = "braces"
always_use_bars_union = True

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are stored with their outputs: some take minutes
nb_merge_streams = True

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_logo = "_static/logo.svg"
html_theme_options = {
    "navigation_with_keys": False,
    "logo": {"alt_text": "scivis: maps of single cells"},
    "show_toc_level": 2,
    # The sidebar has the search field. Another one would be alone in a bar at the top.
    "navbar_persistent": [],
}

# sphinx-autodoc-typehints calls what Sphinx 10 will lack; nothing to be done about it here.
warnings.filterwarnings("ignore", message=".*set_application.* is deprecated")

# Links into other projects need their object lists from the network, which an ordinary build must not depend on.
if ON_READ_THE_DOCS:
    extensions.append("sphinx.ext.intersphinx")
    nitpicky = True
    intersphinx_mapping = {
        "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3/", None),
        "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
    }

# The pages that stand for files at the top of the repository.
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "tutorials/": "tutorials/index.md"}
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?!\w+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def link_from_docs(link: re.Match[str]) -> str:
    """Return a link that is relative to the repository as one that is relative to `docs/`."""
    text, path, anchor = link["text"], link["path"], link["anchor"] or ""
    if path in PAGES or path.startswith(("docs/", "tutorials/")):
        # Notebooks are copied to the same place below `docs/`.
        return f"[{text}]({PAGES.get(path, path.removeprefix('docs/'))}{anchor})"
    if path.endswith((".md", "/")):
        return text  # a page for readers of the repository: there is none to link to
    return f"[{text}](../{path})"


def relink(app: Sphinx, relative_path: Path, parent: str, content: list[str]) -> None:
    """Let the links in README.md and its neighbours work from the pages that include them."""
    if (app.srcdir / relative_path).resolve().parent == ROOT:
        content[0] = LINK.sub(link_from_docs, content[0])


def skip_metadata_requests(app: Sphinx, what: str, name: str, *_: object) -> bool | None:
    """Leave out the methods that scikit-learn makes for its metadata routing."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def copy_tutorials(app: Sphinx) -> None:
    """Copy the notebooks from `tutorials/`, with their figures: Sphinx reads only what lies below `docs/`."""
    pages = DOCS / "tutorials"
    images = pages / "figures"
    images.mkdir(exist_ok=True)
    for old in (*pages.glob("*.ipynb"), *images.glob("*.png")):
        old.unlink()
    for notebook in (ROOT / "tutorials").glob("*.ipynb"):
        shutil.copy2(notebook, pages)
    for figure in FIGURES:
        (images / figure.name).write_bytes(figure.png)
    (pages / "gallery.md").write_text(gallery(FIGURES), encoding="utf-8")


def add_picture(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Add to a function of `scivis.pl` the figure of a tutorial that it made."""
    if name.startswith("scivis.pl.") and (figure := picture_of(name.removeprefix("scivis.pl."), FIGURES)):
        lines += [
            "",
            f".. figure:: /tutorials/figures/{figure.name}",
            "   :align: left",
            "   :alt: A figure of this function",
            "",
        ]
        lines += [f"   From the tutorial :doc:`{figure.title} </tutorials/{figure.stem}>`.", ""]


def setup(app: Sphinx) -> None:
    """Register the steps above."""
    app.connect("autodoc-skip-member", skip_metadata_requests)
    app.connect("autodoc-process-docstring", add_picture, priority=900)  # after napoleon has read the sections
    app.connect("builder-inited", copy_tutorials)
    app.connect("include-read", relink)
