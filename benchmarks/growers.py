"""Other methods that add new cells to a map: the peers of `scivis.tl.extend`.

Each gets the representation of old and new cells and returns the coordinates of the old cells before, those of all cells after, and
the seconds of the extension. Settings are the defaults of the method, except for the weight of the anchor.

UMAP                `UMAP.update` of umap-learn, which fails if none of the neighbors of a new cell is old
aligned UMAP        `AlignedUMAP.update` of umap-learn: a second map of all cells, of which the old ones are related to those of the first
parametric UMAP     trained further with all cells, of which the old ones are landmarks, with the default weight of 1
anchored t-SNE      `scivis.tl.tsne`, of which the old cells are anchored to the t-SNE before
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Grown = tuple[Matrix, Matrix, float]

# With a weight this large, old cells stay up to a common shift and scale.
_ANCHOR_WEIGHT = 1000.0


def umap_update(old: Matrix, new: Matrix, seed: int) -> Grown:
    """The graph of the old cells grows, and all cells are optimized further."""
    from umap import UMAP

    model = UMAP(random_state=seed).fit(old)
    before, start = model.embedding_.copy(), time.perf_counter()
    model.update(new)
    return before, model.embedding_, time.perf_counter() - start


def aligned_umap(old: Matrix, new: Matrix, seed: int) -> Grown:
    """A map of the old cells twice, as `AlignedUMAP` takes two at least; then one of all cells, related to the second."""
    from umap import AlignedUMAP

    same = {row: row for row in range(len(old))}
    model = AlignedUMAP(random_state=seed).fit([old, old], relations=[same])
    before, start = np.array(model.embeddings_[-1]), time.perf_counter()
    model.update(np.concatenate([old, new]), relations=same)
    return before, np.array(model.embeddings_[-1]), time.perf_counter() - start


def parametric_umap(old: Matrix, new: Matrix, seed: int) -> Grown:
    """The network of the old cells is trained further; where the old cells were is a part of the loss."""
    from umap.parametric_umap import ParametricUMAP

    model = ParametricUMAP(random_state=seed)
    before, start = np.array(model.fit_transform(old)), time.perf_counter()
    cells = np.concatenate([old, new])
    model.fit(cells, landmark_positions=np.concatenate([before, np.full((len(new), 2), np.nan, np.float32)]))
    return before, np.array(model.transform(cells)), time.perf_counter() - start


def anchored_tsne(old: Matrix, new: Matrix, seed: int) -> Grown:
    """t-SNE of all cells, with the size and the center that the old cells had: the anchor leaves both open."""
    from anndata import AnnData

    import scivis

    reference = AnnData(obsm={"X_pca": old})
    scivis.tl.tsne(reference, use_rep="X_pca", random_state=seed)
    before, start = reference.obsm["X_tsne"].copy(), time.perf_counter()
    cells = AnnData(obsm={"X_pca": np.concatenate([old, new])})
    cells.obsm["X_old"] = np.concatenate([before, np.full((len(new), before.shape[1]), np.nan)])
    cells.obs["is_old"] = np.arange(cells.n_obs) < len(old)
    scivis.tl.tsne(
        cells, use_rep="X_pca", anchor="X_old", anchor_mask="is_old", anchor_weight=_ANCHOR_WEIGHT, random_state=seed
    )
    return before, _in_frame_of(before, cells.obsm["X_tsne"]), time.perf_counter() - start


def _in_frame_of(before: Matrix, after: Matrix) -> Matrix:
    """The coordinates `after` with the shift and scale that bring its first rows nearest to those of `before`."""
    held = after[: len(before)]
    center, target = held.mean(axis=0), before - before.mean(axis=0)
    scale = (target * (held - center)).sum() / ((held - center) ** 2).sum()
    return (after - center) * scale + before.mean(axis=0)


PEERS: dict[str, Callable[[Matrix, Matrix, int], Grown]] = {
    "UMAP": umap_update,
    "aligned UMAP": aligned_umap,
    "parametric UMAP": parametric_umap,
    "anchored t-SNE": anchored_tsne,
}
