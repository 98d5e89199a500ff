"""Neighbors and layout: a panel per data set, a point per method, from the runs of compare.py.

python benchmarks/compare.py --data DIR --out runs-plane --plane --limit 3600 --seeds 0 1 2 3 4
python benchmarks/plane.py runs-plane/runs.csv --to docs/_static    # draws plane.png

To the right: the layout, random-triplet accuracy (rta). Upward: neighbors (knn), the share of a cell's 15 nearest neighbors that
are among its 15 nearest in the embedding. Points are means over the seeds, and lines standard deviations.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

OURS = "#D55E00"
OTHERS = "#555555"
# From the layout to the neighbors: what the dial of `anchor_weight` passes through.
DIAL = ("scivis", "scivis, weight 32", "scivis, detail", "scivis, weight 2", "openTSNE")
NAMES = {"scivis": "ivis", "scivis, detail": "ivis with detail", "openTSNE": "t-SNE"}
UNNAMED = {"scivis, weight 2", "scivis, weight 32"}
# A name stands to the left of its point if another point is so near to the right of it, relative to the ranges of all points.
NEAR = (0.21, 0.06)

Points = dict[str, tuple[float, float, float, float]]


def points_by_data(path: Path) -> dict[str, Points]:
    """Mean of rta, mean of knn, and their standard deviations, by data set and method."""
    values: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            values[row["dataset"]][row["method"]].append((float(row["rta"]), float(row["knn"])))
    return {
        dataset: {method: _summary(list(zip(*runs, strict=True))) for method, runs in methods.items()}
        for dataset, methods in values.items()
    }


def _summary(columns: list[tuple[float, ...]]) -> tuple[float, float, float, float]:
    rta, knn = columns
    return statistics.fmean(rta), statistics.fmean(knn), statistics.pstdev(rta), statistics.pstdev(knn)


def is_left(name: str, points: Points) -> bool:
    """Whether the name of a point would cover another point to its right.

    Examples
    --------
    >>> points = {"a": (0.0, 0.0, 0.0, 0.0), "b": (0.1, 0.0, 0.0, 0.0), "c": (1.0, 1.0, 0.0, 0.0)}
    >>> [is_left(name, points) for name in points]
    [True, False, False]
    """
    ranges = [max(column) - min(column) for column in zip(*(point[:2] for point in points.values()), strict=True)]
    x, y = points[name][:2]
    shifts = [((other[0] - x) / ranges[0], abs(other[1] - y) / ranges[1]) for other in points.values()]
    return any(0 < dx < NEAR[0] and dy < NEAR[1] for dx, dy in shifts)


def draw_panel(ax: Any, title: str, points: Points) -> None:
    dial = [points[name][:2] for name in DIAL if name in points]
    ax.plot(*zip(*dial, strict=True), color=OURS, alpha=0.4, linewidth=3, zorder=1)
    for name, (rta, knn, rta_sd, knn_sd) in points.items():
        color = OURS if name.startswith("scivis") else OTHERS
        big = name == "scivis, detail"
        ax.errorbar(rta, knn, knn_sd, rta_sd, fmt="o", color=color, markersize=11 if big else 6, linewidth=1, zorder=2)
        if name not in UNNAMED:
            weight = "bold" if big else "normal"
            shift, side = ((8, 6) if big else (6, 4), "left")
            if name not in DIAL and is_left(name, points):
                shift, side = (-7, -12), "right"
            style = {"color": color, "fontsize": 9, "weight": weight, "ha": side}
            ax.annotate(NAMES.get(name, name), (rta, knn), shift, textcoords="offset points", **style)
    ax.set_title(title, loc="left")
    ax.set_xlabel("layout (rta) →")
    ax.text(1, 1.01, "best ↗", transform=ax.transAxes, ha="right", color="#009E73", fontsize=11, weight="bold")
    ax.margins(0.22)
    ax.spines[["top", "right"]].set_visible(False)


def draw(data: dict[str, Points], path: Path) -> None:
    """One panel per data set, three in a row."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    n_columns = min(len(data), 3)
    n_rows = -(-len(data) // n_columns)
    size = (4.6 * n_columns, 4.4 * n_rows)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
    for ax, (name, points) in zip(axes.flat, data.items(), strict=False):
        draw_panel(ax, name, points)
    for ax in axes.flat[len(data) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("neighbors (knn) →")
    figure.suptitle("Up: more neighbors kept. Right: more of the layout kept.", fontsize=11)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw neighbors against layout.")
    parser.add_argument("runs", type=Path, help="runs.csv of compare.py")
    parser.add_argument("--to", type=Path, required=True, help="folder for plane.png")
    args = parser.parse_args()
    draw(points_by_data(args.runs), args.to / "plane.png")


if __name__ == "__main__":
    main()
