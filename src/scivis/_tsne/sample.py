"""A t-SNE that arranges a sample of the cells; the others are placed among them as new cells are.

The sample is a column of `.obs`, which is named in the parameters of the model, so that a subset of the cells is a model, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._store.schema import fail

from .affinities import nearest_cells
from .anchor import Anchor
from .placement import AnchoredPlaces, PlacementSettings

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis.data._streaming import Rows

    from .model import FittedTsne

    Matrix = NDArray[np.floating]


def arranged_mask(adata: AnnData, entry: Any) -> NDArray[np.bool_] | None:
    """Mask of the cells that the t-SNE of an entry arranged, shape (n,); `None` for all."""
    params: Any = entry.get("params")
    key = params.get("sample", "") if hasattr(params, "get") else ""
    if not isinstance(key, str):
        fail(f"the name of its sample is {str(key)[:80]!r}")
    if not key:
        return None
    if key not in adata.obs:
        fail(f"adata.obs[{key!r}], which marks the cells that it arranged, is missing")
    mask = np.asarray(adata.obs[key])
    if mask.dtype != bool or not mask.any():
        fail(f"adata.obs[{key!r}] does not mark the cells that it arranged")
    return mask


def arranged_cells(adata: AnnData, entry: Any) -> AnnData:
    """The cells that the t-SNE of an entry arranged: all of `adata`, or a view of some."""
    mask = arranged_mask(adata, entry)
    return adata if mask is None else adata[np.flatnonzero(mask)]


@dataclass(frozen=True, eq=False)
class WholeMap:
    """Coordinates of all cells, shape (n, n_components), and a mask of those that a t-SNE arranged, shape (n,)."""

    coordinates: Matrix
    mask: NDArray[np.bool_]


def place_others(
    fitted: FittedTsne, x: NDArray[np.float32], mask: NDArray[np.bool_], rows: Rows, anchored: Any
) -> WholeMap:
    """A t-SNE of a sample, with the other cells placed as new cells are.

    Parameters
    ----------
    fitted, x
        The t-SNE of the sample, and its rows, shape (n_sample, features).
    mask
        Which of all cells are the sample, shape (n,).
    rows, anchored
        All cells, which are read in blocks, and their coordinates in the anchor, shape (n, n_components).
    """
    anchored, k = np.asarray(anchored, float), min(PlacementSettings().n_required, len(x))
    anchor = Anchor.of(anchored[mask], np.isfinite(anchored[mask]).all(axis=1), 1.0)
    places = AnchoredPlaces.of(anchor, fitted.coordinates, anchored)
    coordinates = places.among_nearest(rows, nearest_cells(x, fitted.settings, k), fitted.coordinates, k)
    coordinates[mask] = fitted.coordinates
    return WholeMap(coordinates, mask)
