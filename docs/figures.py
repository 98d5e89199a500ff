"""The figures of the tutorials with the code that made each: the gallery, thumbnails, and pictures of `scivis.pl`."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

HEAD = """# Gallery

Each figure is from a tutorial, with the code that made it. The tutorial says where the data come from.
"""


@dataclass(frozen=True)
class Figure:
    """A figure among the outputs of a notebook.

    Parameters
    ----------
    stem, title
        Name of the file of the notebook, without suffix, and its first heading.
    number
        Place among the figures of the notebook, from 1.
    code
        Source of the cell.
    png
        The image.
    """

    stem: str
    title: str
    number: int
    code: str
    png: bytes

    @property
    def name(self) -> str:
        """Name of the file of the image."""
        return f"{self.stem}-{self.number}.png"


def read_figures(notebook: Path) -> list[Figure]:
    """The figures of a notebook, in order."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    found = [(cell, data["image/png"]) for cell in cells for data in _outputs(cell) if "image/png" in data]
    [title] = re.findall(r"^# (.+)$", _source(cells[0]), re.MULTILINE)[:1]
    return [
        Figure(notebook.stem, title, number, _source(cell), base64.b64decode("".join(image)))
        for number, (cell, image) in enumerate(found, 1)
    ]


def _outputs(cell: dict) -> Iterable[dict]:
    return (output.get("data", {}) for output in cell.get("outputs", ()))


def _source(cell: dict) -> str:
    return "".join(cell["source"])


def picture_of(function: str, figures: Sequence[Figure]) -> Figure | None:
    """The figure of a function of `scivis.pl` that was made by the shortest code."""
    made = [figure for figure in figures if re.search(rf"\bscivis\.pl\.{function}\(", figure.code)]
    return min(made, key=lambda figure: len(figure.code), default=None)


def gallery(figures: Sequence[Figure]) -> str:
    """The page of all figures, by tutorial."""
    parts = [HEAD]
    for title, stem in dict.fromkeys((figure.title, figure.stem) for figure in figures):
        cards = "\n".join(_card(figure) for figure in figures if figure.stem == stem)
        parts.append(f"## [{title}]({stem}.ipynb)\n\n:::::{{grid}} 1 2 2 2\n:gutter: 3\n\n{cards}\n:::::\n")
    return "\n".join(parts)


def _card(figure: Figure) -> str:
    """A figure with its code below, folded."""
    return (
        f"::::{{grid-item}}\n![Figure {figure.number} of the tutorial](figures/{figure.name})\n\n"
        f":::{{dropdown}} Code\n```python\n{figure.code}\n```\n:::\n::::\n"
    )
