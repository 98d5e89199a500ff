"""The first figure of the README: a map, new cells on it, and the map that grew by them.

python benchmarks/life.py --to docs/_static    # draws life.png; downloads 2.3 MB

The cells are those of `tutorials/extend.ipynb`: mature cord blood cells are the reference; progenitors, erythrocytes, megakaryocytes
and a quarter of the mature cells are new.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pictures

import scivis

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Places = NDArray[np.floating]

YOUNG = ("CD34+", "Erythrocytes", "Megakaryocytes")
MIXED = ("Mouse", "Multiplets", "T/Mono doublets")
GRAY, BLUE, ORANGE = "#d3d3d3", "#56b4e9", "#d55e00"


def split() -> tuple[AnnData, AnnData]:
    """Reference, with its PCA, and new cells as counts."""
    import scanpy as sc

    cells = scivis.datasets.cbmc()
    cells = cells[~cells.obs["cell_type"].isin(MIXED)].copy()
    cells.obs["cell_type"] = (
        cells.obs["cell_type"].astype(str).replace(r"(Memory|Naive) ", "", regex=True).astype("category")
    )
    is_new = cells.obs["cell_type"].isin(YOUNG) | (np.random.default_rng(0).random(cells.n_obs) < 0.25)
    reference, new = cells[~is_new].copy(), cells[is_new].copy()
    reference.X = reference.X.toarray()
    sc.pp.normalize_total(reference)
    sc.pp.log1p(reference)
    sc.pp.scale(reference, max_value=10)
    sc.pp.pca(reference, n_comps=30)
    return reference, new


def dots(ax: Any, places: Places, colors: Any) -> None:
    order = np.random.default_rng(0).permutation(len(places))
    colors = np.asarray(colors)[order] if np.ndim(colors) else colors
    ax.scatter(*places[order].T, s=5, c=colors, linewidths=0, rasterized=True)


def names(ax: Any, places: Places, types: Any, shown: Any, above: float = 0) -> None:
    """The name of each type at the median of its cells, or some points above it, below if negative."""
    from matplotlib.patheffects import withStroke

    for name in shown:
        xy = np.median(places[types == name], axis=0)
        outline = [withStroke(linewidth=2, foreground="white")]
        ax.annotate(name, xy, (0, above), textcoords="offset points", ha="center", size=8, path_effects=outline)


def draw(before: Places, types: Any, placed: Places, is_strange: Any, after: Places, grown: Places, new: Any) -> Figure:
    from matplotlib.figure import Figure
    from scanpy.plotting.palettes import default_20

    categories = [*types.cat.categories, *YOUNG]
    colors = dict(zip(categories, default_20, strict=False))
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharex=True, sharey=True)
    dots(left, before, types.map(colors).astype(str))
    names(left, before, types, types.cat.categories)
    left.set_title(f"{len(before):,} mature blood cells: a map and its model", size=10)
    dots(middle, before, GRAY)
    dots(middle, placed, np.where(is_strange, ORANGE, BLUE))
    title = f"Next sample: {is_strange.sum()} of {len(placed):,} cells do not belong"
    middle.set_title(title, size=10)
    dots(right, after, GRAY)
    is_young = new.isin(YOUNG)
    dots(right, grown[~is_young], BLUE)
    dots(right, grown[is_young], new[is_young].map(colors).astype(str))
    for name, above in zip(YOUNG, (8, -14, 8), strict=True):  # erythrocytes and megakaryocytes are side by side
        names(right, grown, new, [name], above)
    right.set_title("The map grew by progenitors; old cells stayed", size=10)
    for ax in (left, middle, right):
        ax.set(xticks=[], yticks=[])
        ax.set_aspect("equal")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the first figure of the README.")
    parser.add_argument("--to", type=Path, required=True, help="folder for life.png")
    args = parser.parse_args()
    reference, new = split()
    scivis.tl.ivis(reference)
    before = reference.obsm["X_ivis"].copy()
    scivis.tl.ingest(new, reference)
    placed, is_strange = new.obsm["X_ivis"].copy(), (new.obs["ivis_pvalue"] <= 0.01).to_numpy()
    scivis.tl.extend(reference, new)
    types = reference.obs["cell_type"].cat.remove_unused_categories()
    figure = draw(
        before,
        types,
        placed,
        is_strange,
        reference.obsm["X_ivis"],
        new.obsm["X_ivis"],
        new.obs["cell_type"].astype(str),
    )
    pictures.save(figure, args.to / "life.png")


if __name__ == "__main__":
    main()
