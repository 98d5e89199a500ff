"""Draw embeddings side by side, colored by label: a figure per data set.

python benchmarks/pictures.py --data DIR --out runs --to docs/_static

Reads what compare.py or seeds.py left in --out. With several seeds, a row of the figure for each.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
from compare import embedding_path
from methods import METHODS, USUAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

# Colors that people with any color vision tell apart: Okabe and Ito's and a gray up to 9 labels, Petroff's up to 10.
# There is no such set of 20: these are scanpy's, and the labels also stand as numbers on the picture.
OKABE_ITO = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999", "#000000",
)  # fmt: skip
PETROFF = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
NOT_A_LABEL = {"unlabeled": "#dddddd"}
BYTES = 300_000


def palette(cells: datasets.Cells) -> dict[str, str]:
    """A color for each label, the strongest contrasts for the rarest."""
    by_count = cells.names[np.argsort(-np.bincount(cells.codes, minlength=len(cells.names)), kind="stable")]
    labels = [name for name in by_count if name not in NOT_A_LABEL]
    if len(labels) <= len(OKABE_ITO):
        colors = OKABE_ITO
    elif len(labels) <= len(PETROFF):
        colors = PETROFF
    else:
        from scanpy.plotting.palettes import default_20, default_28, default_102

        colors = next((some for some in (default_20, default_28) if len(labels) <= len(some)), default_102)
    return dict(zip(labels, colors, strict=False)) | NOT_A_LABEL


def scatter(ax: Axes, embedding: NDArray[np.floating], colors: NDArray, title: str, **kwargs: object) -> None:
    """One embedding in scanpy's manner, but with equal scales on both axes: distances are meant to be read."""
    order = np.random.default_rng(0).permutation(len(embedding))  # no label covers another by its place in the file
    size = min(120_000 / len(embedding), 12)
    ax.scatter(*embedding[order, :2].T, c=colors[order], s=size, linewidths=0, rasterized=True, **kwargs)
    ax.set(title=title, xticks=[], yticks=[], box_aspect=1)
    ax.set_aspect("equal", adjustable="datalim")


def draw(cells: datasets.Cells, panels: list[tuple[str, NDArray[np.floating]]], n_columns: int) -> Figure:
    """Panels of (title, embedding), the legend in the free place of the grid or to its right."""
    from matplotlib.figure import Figure

    colors = palette(cells)
    numbered = len(cells.names) > len(PETROFF)
    n_rows = -(-len(panels) // n_columns)
    free = n_rows * n_columns - len(panels)
    figure = Figure(figsize=(2.9 * n_columns + (0 if free else 2), 3.0 * n_rows + 0.1), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).flat
    of_cell = np.array([colors[name] for name in cells.names])[cells.codes]
    for ax, (title, embedding) in zip(axes, panels, strict=False):
        scatter(ax, embedding, of_cell, title)
        if numbered:
            _number(ax, embedding, cells)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    place = {"loc": "center left"} if free else {"loc": "outside right center"}
    marks = _legend(cells, colors, numbered=numbered)
    (axes[len(panels)] if free else figure).legend(
        handles=marks, frameon=False, fontsize=8 if numbered else 10, **place
    )
    return figure


def _number(ax: Axes, embedding: NDArray[np.floating], cells: datasets.Cells) -> None:
    """Each label's number at its median place."""
    from matplotlib.patheffects import withStroke

    for code in range(len(cells.names)):
        x, y = np.median(embedding[cells.codes == code, :2], axis=0)
        outline = [withStroke(linewidth=2, foreground="white")]
        ax.text(x, y, str(code + 1), size=8, weight="bold", ha="center", va="center", path_effects=outline)


def _legend(cells: datasets.Cells, colors: dict[str, str], *, numbered: bool) -> list[Line2D]:
    from matplotlib.lines import Line2D

    readable = [name.replace("_", " ") for name in cells.names]
    texts = [f"{code + 1}  {name}" if numbered else name for code, name in enumerate(readable)]
    style = {"marker": "o", "linestyle": "", "markersize": 5 if numbered else 7}
    return [
        Line2D([], [], color=colors[name], label=text, **style) for name, text in zip(cells.names, texts, strict=True)
    ]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of 256 colors, as large as it may be under `BYTES`."""
    from PIL import Image

    for dpi in (150, 130, 110, 90, 70, 50):
        drawn, png = BytesIO(), BytesIO()
        figure.savefig(drawn, dpi=dpi, facecolor="white")
        Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
        if len(png.getvalue()) < BYTES:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png.getvalue())
    print(f"wrote {path}, {len(png.getvalue()) / 1000:.0f} kB at {dpi} dpi")


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the embeddings of compare.py.")
    parser.add_argument("--out", type=Path, required=True, help="folder that compare.py wrote")
    parser.add_argument("--to", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--datasets", nargs="+", choices=datasets.NAMES, default=list(datasets.NAMES[:4]))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*USUAL, "scivis-classic"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    datasets.add_options(parser)
    args = parser.parse_args()
    for name in args.datasets:
        runs = [(method, seed) for seed in args.seeds for method in args.methods]
        runs = [run for run in runs if embedding_path(args.out, name, *run).exists()]
        if not runs:
            continue
        several = len({seed for _, seed in runs}) > 1
        panels = [
            (f"{method}, seed {seed}" if several else method, np.load(embedding_path(args.out, name, method, seed)))
            for method, seed in runs
        ]
        n_methods = len({method for method, _ in runs})
        n_columns = n_methods if several and n_methods > 1 else 5 if several else 3
        save(draw(datasets.read(datasets.prepared(name, args)), panels, n_columns), args.to / f"compare_{name}.png")


if __name__ == "__main__":
    main()
