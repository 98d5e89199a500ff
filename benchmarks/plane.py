"""Neighbors and layout: a panel per data set, a point per method, from the runs of compare.py.

python benchmarks/compare.py --data DIR --out runs-plane --plane --limit 3600 --seeds 0 1 2 3 4
python benchmarks/plane.py runs-plane/runs.csv --to docs/_static    # draws plane.png, and prints tables

To the right: the layout, random-triplet accuracy (rta). Upward: neighbors (knn), the share of a cell's 15 nearest neighbors that
are among its 15 nearest in the embedding. Points are means over the seeds, and lines standard deviations.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from compare import Row, read_rows

OURS = "#D55E00"
OTHERS = "#555555"
# From the layout to the neighbors: what the dial of `anchor_weight` passes through.
DIAL = ("scivis", "scivis, weight 32", "scivis, detail", "scivis, weight 2", "openTSNE")
NAMES = {
    "scivis": "ivis",
    "scivis, detail": "ivis with detail",
    "scivis, weight 2": "ivis with detail, weight 2",
    "scivis, weight 32": "ivis with detail, weight 32",
    "openTSNE": "t-SNE",
}
# Places along each part of the dial's line that names keep clear of.
N_STEPS = 20
UNNAMED = {"scivis, weight 2", "scivis, weight 32"}

# Rows of compare.py by data set and method.
Runs = dict[str, dict[str, list[Row]]]
Points = dict[str, tuple[float, float, float, float]]


def read_runs(paths: list[Path]) -> Runs:
    """The rows of one or more runs.csv."""
    runs: Runs = defaultdict(lambda: defaultdict(list))
    for path in paths:
        for row in read_rows(path):
            runs[row["dataset"]][row["method"]].append(row)
    return runs


def points_of(methods: dict[str, list[Row]]) -> Points:
    """Mean of rta, mean of knn, and their standard deviations, by method."""
    values = {method: [[run[name] for run in runs] for name in ("rta", "knn")] for method, runs in methods.items()}
    return {
        method: (*map(statistics.fmean, columns), *map(statistics.pstdev, columns))
        for method, columns in values.items()
    }


def table(runs: Runs, measures: dict[str, str]) -> str:
    """Markdown: a row per method and a column per data set, with the means of measures over the seeds in their formats.

    Examples
    --------
    >>> runs = {"pbmc3k": {"UMAP": [{"knn": 0.1, "seconds": 20.0}, {"knn": 0.2, "seconds": 24.0}]}}
    >>> print(table(runs, {"knn": ".3f", "seconds": ".0f"}))
    | | pbmc3k |
    | --- | --- |
    | UMAP | .150 · 22 |
    """
    lines = [f"| | {' | '.join(runs)} |", f"|{' --- |' * (1 + len(runs))}"]
    for method in dict.fromkeys(method for some in runs.values() for method in some):
        cells = [_means(some.get(method, []), measures) for some in runs.values()]
        lines.append(f"| {NAMES.get(method, method)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _means(found: list[Row], measures: dict[str, str]) -> str:
    means = [format(statistics.fmean(run[name] for run in found), how) for name, how in measures.items() if found]
    return " · ".join(mean.replace("0.", ".", 1) if mean.startswith(("0.", "-0.")) else mean for mean in means) or "–"


def occupied(points: Points) -> list[tuple[float, float]]:
    """Places that no name should cover: the points, the ends of their bars, and the line of the dial.

    Examples
    --------
    >>> points = {"PCA": (0.9, 0.1, 0.0, 0.0), "scivis": (0.8, 0.3, 0.0, 0.0), "openTSNE": (0.7, 0.5, 0.0, 0.0)}
    >>> places = occupied(points)
    >>> places[0], len(places)
    ((0.9, 0.1), 29)
    """
    dial = [points[name][:2] for name in DIAL if name in points]
    steps = [(step / N_STEPS, start, end) for start, end in pairwise(dial) for step in range(N_STEPS)]
    along = [tuple((1 - t) * a + t * b for a, b in zip(start, end, strict=True)) for t, start, end in steps]
    bars = [(x + side * sd, y) for x, y, sd, _ in points.values() for side in (0, -1, 1)]
    return [*bars, *along]


def draw_panel(ax: Any, title: str, points: Points) -> list[Any]:
    """Draw the points, and return their names, each at its point."""
    dial = [points[name][:2] for name in DIAL if name in points]
    ax.plot(*zip(*dial, strict=True), color=OURS, alpha=0.4, linewidth=3, zorder=1)
    names = []
    for name, (rta, knn, rta_sd, knn_sd) in points.items():
        color = OURS if name.startswith("scivis") else OTHERS
        size, weight = (11, "bold") if name == "scivis, detail" else (6, "normal")
        ax.errorbar(rta, knn, knn_sd, rta_sd, fmt="o", color=color, markersize=size, linewidth=1, zorder=2)
        if name not in UNNAMED:
            names.append(ax.text(rta, knn, NAMES.get(name, name), color=color, fontsize=9, weight=weight))
    ax.set_title(title, loc="left")
    ax.set_xlabel("layout (rta) →")
    ax.text(1, 1.01, "best ↗", transform=ax.transAxes, ha="right", color="#009E73", fontsize=11, weight="bold")
    ax.margins(0.15)
    ax.spines[["top", "right"]].set_visible(False)
    return names


def draw(data: dict[str, Points], path: Path) -> None:
    """One panel per data set, three in a row."""
    import matplotlib as mpl

    mpl.use("agg")
    from adjustText import adjust_text
    from matplotlib import pyplot as plt

    n_columns = min(len(data), 3)
    n_rows = -(-len(data) // n_columns)
    size = (5 * n_columns, 5 * n_rows)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
    names = [draw_panel(ax, *panel) for ax, panel in zip(axes.flat, data.items(), strict=False)]
    for ax in axes.flat[len(data) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("neighbors (knn) →")
    figure.suptitle("Up: more neighbors kept. Right: more of the layout kept.", fontsize=11)
    figure.canvas.draw()  # names are moved apart in the final layout
    figure.set_layout_engine("none")
    line = {"arrowstyle": "-", "color": "#BBBBBB", "linewidth": 0.7}
    for ax, texts, points in zip(axes.flat, names, data.values(), strict=False):
        adjust_text(
            texts, *zip(*occupied(points), strict=True), ax=ax, expand=(1.25, 1.6), iter_lim=300, arrowprops=line
        )
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw neighbors against layout.")
    parser.add_argument("runs", nargs="+", type=Path, help="runs.csv of compare.py, one or more")
    parser.add_argument("--to", type=Path, required=True, help="folder for plane.png")
    args = parser.parse_args()
    runs = read_runs(args.runs)
    draw({dataset: points_of(methods) for dataset, methods in runs.items()}, args.to / "plane.png")
    print(table(runs, {"knn": ".3f", "rta": ".3f", "cent": ".3f", "acc": ".3f"}))
    print(f"\nSeconds and peak MiB\n\n{table(runs, {'seconds': ',.0f', 'peak_mib': ',.0f'})}")


if __name__ == "__main__":
    main()
