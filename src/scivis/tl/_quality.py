"""`scivis.tl.quality`: how far each map of the cells can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.card import PCA, pack_card, trust_key
from scivis._adata.labels import read_classes
from scivis._adata.maps import basis_keys
from scivis._adata.representation import check_copy, choose_representation
from scivis._checks import check_seed, is_integer
from scivis._quality import draw_samples, judge, pca, per_cell_trust
from scivis.data._reading import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.representation import Representation

_USUAL_NEIGHBORS = (15, 50, 150)
_FEWEST = 3


def quality(  # noqa: PLR0913 (each is a setting of its own, all but the maps keyword-only)
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    labels: str | None = None,
    n_neighbors: Sequence[int] | None = None,
    n_cells: int = 2000,
    random_state: int | np.random.Generator = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Measure what maps of the cells keep of the representation, and where.

    No map of two dimensions keeps everything, and no number says how good it is: methods that keep neighbours give up
    distances, and the other way round. So this is a card of many measures, each of every map, from the same random
    samples, beside the first two principal components. :func:`scivis.pl.quality` shows it at one glance. All measures are
    1 for a perfect map.

    =========== ==================== =====================================================================================
    aspect      measure              what it says
    =========== ==================== =====================================================================================
    local       `recall`             share of a cell's k nearest neighbours that are also its k nearest on the map
    local       `trustworthiness`    how near the neighbours on the map really are: low where a map mixes strangers
                                     (Venna and Kaski, 2001); 0.5 is chance
    local       `continuity`         how near real neighbours are on the map: low where it tears them apart; 0.5 is chance
    density     `density`            Spearman correlation of each cell's mean distance to its k nearest
    global      `triplets`           share of random triplets of cells whose nearer pair stays the nearer; 0.5 is chance
    global      `spearman`,          correlation of the distances between cells with those on the map
                `pearson`
    labels      `accuracy`           of a vote among a cell's 10 nearest on the map, for a quarter of the cells
    labels      `silhouette`         how much nearer a cell is to its own class than to the next, on the map
    labels      `nearest_classes`    share of each class's k nearest classes that stay so, by their centroids
    labels      `centroids_pearson`, correlation of the distances between the centroids of the classes, with the p-value of
                `centroids_spearman` the Mantel test (999 permutations, one-sided)
    =========== ==================== =====================================================================================

    Parameters
    ----------
    adata
        Holds the maps in `.obsm`.
    basis
        Keys of the maps; `umap` stands for `X_umap`. By default all matrices of two columns whose key begins with `X_`.
    use_rep
        What the maps are compared with: a key of `.obsm`, or `X`. By default the PCA, or `.X` for at most 50 genes.
        Take what the maps were made from.
    n_pcs
        How many columns of it to use; 0 means `.X`.
    layer
        A layer to use instead.
    labels
        A key of `.obs`: the classes for the measures that need some. Cells without a label (NaN, −1) are left out of
        these. With fewer than four classes there are no measures between classes.
    n_neighbors
        The numbers of neighbours k, below half of the number of cells; by default those of 15, 50 and 150 that are.
    n_cells
        How many random cells the neighbours, the densities, the distances and the silhouette are taken of. Neighbours
        are sought among all cells. More give steadier values: the standard error of a share is below 0.5 / √n_cells.
    random_state
        Seed of the samples.
    key_added
        Write under this key instead.
    copy
        Return a changed copy and leave `adata` as it is.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets:

    `adata.uns['quality' | key_added]` : :class:`dict`
        `table`, a :class:`pandas.DataFrame` with a row per map and measure: `basis`, `aspect`, `measure`, `k` (0 where
        there is none), `value` and `p` (NaN where nothing is tested); `distances`, for :func:`scivis.pl.distances`; and
        `params`.
    `adata.obs['<map>_trust' | key_added + '_<map>_trust']` : :class:`pandas.Series` (float32)
        For each map, without its `X_`, every cell's trust in its neighbours there: the cell's term of trustworthiness at
        the smallest k.

    Notes
    -----
    Ranks, for trustworthiness and continuity, are exact up to 10,000 cells and estimated from that many above; the trust of
    single cells always comes from 500. There are 20,000 triplets, and at most 40,000 cells for the classifier.

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ValueError
        If a matrix holds NaN or infinite values, or an argument does not suit the data. `adata` is unchanged.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.quality(adata, "umap", labels="bulk_labels", n_cells=100)
    >>> table = adata.uns["quality"]["table"]
    >>> table[(table["measure"] == "recall") & (table["k"] == 15)].round(2)[["basis", "value"]]
         basis  value
    0      PCA   0.24
    20  X_umap   0.40
    """
    from scanpy import logging as logg

    start = logg.info("measuring the quality of maps")
    check_seed(random_state)
    check_copy(adata, copy=copy)
    if not is_integer(n_cells) or n_cells < _FEWEST:
        msg = f"n_cells={n_cells!r} must be a whole number of at least {_FEWEST}: so many a correlation needs."
        raise ValueError(msg)
    key = _check_key(key_added)
    ks = _neighbor_counts(n_neighbors, adata.n_obs)
    codes, names = read_classes(adata, labels) if labels else (np.full(adata.n_obs, -1), ())
    maps = _maps(adata, basis)
    adata = adata.copy() if copy else adata

    representation = choose_representation(adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer)
    x = _varied(representation)
    logg.info(f"    of {', '.join(maps)}, compared with {representation.description}")
    sampling, everywhere = np.random.default_rng(random_state).spawn(2)
    rows, boxes = judge(x, {PCA: pca(x)} | maps, codes, ks, draw_samples(codes, n_cells, sampling))
    trusts = per_cell_trust(x, maps, ks[0], everywhere)

    params = {"use_rep": representation.key, "representation": representation.kind, "n_features": x.shape[1]}
    params |= {"n_neighbors": np.array(ks), "n_cells": min(n_cells, adata.n_obs)}
    params |= {"labels": labels, "n_classes": len(names)} if labels else {}
    params |= {"random_state": random_state} if isinstance(random_state, int) else {}
    adata.uns[key] = {"params": params, **pack_card(rows, boxes)}
    for name, values in trusts.items():
        adata.obs[trust_key(key, name)] = values
    logg.info("    finished", time=start, deep=_written(key, maps))
    return adata if copy else None


def _check_key(key_added: str | None) -> str:
    key = key_added or "quality"
    if "/" in key:
        msg = f"key_added={key!r} holds a '/', which neither h5ad nor zarr can store."
        raise ValueError(msg)
    return key


def _neighbor_counts(given: Sequence[int] | None, n_cells: int) -> list[int]:
    """The numbers of neighbours, smallest first."""
    usual = [k for k in _USUAL_NEIGHBORS if k < n_cells / 2] or _USUAL_NEIGHBORS[:1]
    counts = sorted(usual if given is None else np.atleast_1d(given).tolist())
    for k in counts:
        if not is_integer(k) or not 1 <= k < n_cells / 2:
            msg = f"n_neighbors={k!r} must be a whole number of at least 1 and below half of the {n_cells} cells."
            raise ValueError(msg)
    if not counts:
        msg = "n_neighbors is empty: give at least one number of neighbours, or leave it out."
        raise ValueError(msg)
    return counts


def _maps(adata: AnnData, basis: str | Sequence[str] | None) -> dict[str, NDArray[np.float32]]:
    """The maps by their keys in `.obsm`."""
    names = basis_keys(adata, basis)
    if PCA in names:
        msg = f"basis={PCA!r} is the name of the reference, the first two principal components. Rename your map."
        raise ValueError(msg)
    return {name: _varied(choose_representation(adata, use_rep=name)) for name in names}


def _varied(representation: Representation) -> NDArray[np.float32]:
    """The matrix, refused if it tells no cell from another."""
    x = read_rows(representation.matrix, representation.description)
    if (x == x[:1]).all():
        msg = f"All {len(x)} rows are equal in {representation.description}: there are no distances to compare."
        raise ValueError(msg)
    return x


def _written(key: str, maps: Mapping[str, Any]) -> str:
    lines = [f"{key!r}, the card (adata.uns)"]
    lines += [f"{trust_key(key, name)!r}, trust in the place of each cell (adata.obs)" for name in maps]
    return "added\n    " + "\n    ".join(lines)
