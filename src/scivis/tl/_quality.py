"""`scivis.tl.quality`: measures of what embeddings keep of the representation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from scivis._adata.card import PCA, pack_advice, pack_card, trust_key, untrusted_key
from scivis._adata.keys import check_key
from scivis._adata.labels import read_classes
from scivis._adata.maps import basis_keys
from scivis._adata.representation import check_copy, choose_representation
from scivis._adata.results import Results
from scivis._checks import check_choice, check_integer, check_n_cells, is_integer
from scivis._quality.advice import advise
from scivis._quality.batches import load_scib_metrics
from scivis._quality.card import measure_embeddings, pca
from scivis._quality.chance import no_better_than_chance, trust_limit
from scivis._quality.per_cell import per_cell_trust
from scivis._quality.samples import sample_cells
from scivis._random import recorded_seed, seed_from
from scivis.data._reading import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.representation import Representation
    from scivis._quality.advice import Advice
    from scivis._random import RandomState, Rng

_DEFAULT_NEIGHBORS = (15, 50, 150)
Purpose = Literal["neighbors", "layout", "density", "labels"]


def quality(  # noqa: PLR0913 (each is a setting of its own, all but the embeddings keyword-only)
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    labels: str | pd.Series | None = None,
    batch_key: str | None = None,
    n_neighbors: Sequence[int] | None = None,
    n_cells: int = 2000,
    purpose: Purpose | None = None,
    random_state: RandomState = 0,
    rng: Rng = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Measure what embeddings keep of the representation, for all cells and for each cell.

    No embedding in two dimensions keeps everything: methods that keep neighbors lose distances, and the reverse. The
    quality card therefore holds many measures. All embeddings are measured on the same random samples, together with the
    first two principal components as reference. All measures are 1 for a perfect embedding. Each has a 95 % interval, and
    the value of a map that knows nothing beside it. :func:`scivis.pl.quality` plots the card.

    =========== ==================== =====================================================================================
    aspect      measure              meaning
    =========== ==================== =====================================================================================
    local       `recall`             share of the k nearest neighbors of a cell that are also its k nearest in the embedding
    local       `trustworthiness`    how near the neighbors in the embedding really are (Venna and Kaski, 2001): low where
                                     the embedding mixes cells that are far apart; 0.5 is chance
    local       `continuity`         how near the real neighbors are in the embedding: low where the embedding separates
                                     them; 0.5 is chance
    density     `density`            Spearman correlation of the mean distances to the k nearest neighbors
    global      `triplets`           share of random triplets of cells whose nearer pair stays the nearer; 0.5 is chance
    global      `spearman`,          correlation of the distances between cells in the representation and in the embedding
                `pearson`
    labels      `accuracy`           accuracy of a 10-nearest-neighbor classifier in the embedding, for 25 % of the cells
    labels      `silhouette`         silhouette score of the classes in the embedding
    labels      `nearest_classes`    share of the k nearest classes of each class that stay its nearest, by centroids
    labels      `centroids_pearson`, correlation of the distances between the centroids of the classes, with the p-value of
                `centroids_spearman` the Mantel test (999 permutations, one-sided)
    batches     `ilisi`, `kbet`      mixing of the batches among the neighbors in the embedding, by scib-metrics: effective number
                                     of batches, and share of cells where a test finds no other batches than everywhere
    =========== ==================== =====================================================================================

    Parameters
    ----------
    adata
        Annotated data matrix with the embeddings in `.obsm`.
    basis
        Keys of the embeddings; `umap` stands for `X_umap`. Default: all matrices of two columns whose key begins with
        `X_`.
    use_rep
        Representation to compare with: a key of `.obsm`, or `X`. Use the one that the embeddings were computed from.
        Default: the one that the graph of `sc.pp.neighbors` was computed from; without a graph the PCA, or `.X` for at most
        50 genes.
    n_pcs
        Number of columns of the representation to use; 0 for `.X`.
    layer
        Layer to use as representation.
    labels
        Key of `.obs` with classes, or a column with the index of `.obs`, for the measures of labels, which leave out unlabeled cells (NaN, −1). Distances
        between classes are measured for 4 to 500 classes. Default: no measures of labels.
    batch_key
        Key of `.obs` with batches, for the measures of their mixing among up to 10,000 cells: cells of all batches have to be
        in the same states for it to be meaningful. Needs the package scib-metrics (`pip install scib-metrics`), which
        brings JAX. Default: no measures of batches.
    n_neighbors
        Numbers of neighbors k, each below half of the number of cells. Default: those of 15, 50 and 150 that are,
        or the largest that is.
    n_cells
        Number of random cells for neighbors, densities, distances and silhouette. Their neighbors are searched among all
        cells. More cells make the intervals shorter: the standard error of a share is below 0.5 / √n_cells.
    purpose
        What the map is to show, for the advice: `neighbors` (which cells are similar; decided by `recall` for the smallest k),
        `layout` (how cells and groups are arranged; `triplets`), `density` (where cells are dense; `density` for the smallest
        k), or `labels` (how well classes are separated; `accuracy`). Default: a sentence for each of them.
    random_state
        Seed of the samples: an integer, or a NumPy generator or `RandomState`; `None` gives others in each call.
    rng
        Seed as in scanpy 1.13, in place of `random_state`: what :func:`numpy.random.default_rng` takes.
    key_added
        Key under which results are stored. Default: `quality`.
    copy
        Return a modified copy and leave `adata` unchanged.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets:

    `adata.uns['quality' | key_added]` : :class:`dict`
        `table`, a :class:`pandas.DataFrame` with one row per embedding and measure, and the columns `basis`, `aspect`,
        `measure`, `k` (0 if there is none), `value`, `low` and `high` (95 % interval), `chance` (value of a map that knows
        nothing) and `p` (NaN without a test); `distances`, for :func:`scivis.pl.distances`; `advice`; and `params`.

        `advice[purpose]` is a dictionary with the embedding to `show`, the next best (`other`), the `difference` between both
        with its 95 % interval (`low`, `high`), whether it is larger than its error (`sure`), the advice as `text`, and
        `cautions`: what not to read off the embedding, one sentence per line. The text is logged, too.
    `adata.obs['<name>_trust' | key_added + '_<name>_trust']` : :class:`pandas.Series` (float32)
        For each embedding, named without `X_`, the trust in the neighbors of each cell: its term of trustworthiness for the
        smallest k.
    `adata.obs['<name>_untrusted' | key_added + '_<name>_untrusted']` : :class:`pandas.Series` (bool)
        Whether the trust of a cell is no better than chance: not larger than that of 95 % of cells with random neighbors.
        Do not read the place of these cells.

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ImportError
        If `batch_key` is given and scib-metrics is not installed.
    ValueError
        If a matrix holds NaN or infinite values or only equal rows, or an argument is invalid. `adata` is then unchanged.

    Notes
    -----
    **Advice.** The embedding with the best value of the measure that decides is recommended. Its difference to the next best,
    the PCA included, is compared with its error in the same resamples (see below). If not even its interval is above chance, none is
    recommended. The cautions name measures that are less than half of the way from chance to 1.

    Ranks, for trustworthiness and continuity, are exact up to 10,000 cells and estimated from 10,000 cells above. The trust
    of single cells is always estimated from 500 cells. There are 20,000 triplets, and at most 40,000 cells for the
    classifier.

    **Intervals** are those of the bootstrap, with 500 resamples (Efron and Tibshirani, An Introduction to the Bootstrap,
    1993). What is drawn with replacement are the sampled cells for neighbors, density, distances and silhouette; the triplets;
    the classified cells for accuracy; and the cells of each class for the distances between classes. All embeddings have the same
    resamples. Shares and means are averaged over the resample. A correlation changes by the mean influence of the resampled
    cells (Devlin et al., 1975, for Pearson's r; Croux and Dehon, 2010, for Spearman's ρ; a cell's influence on distances is
    that of its pairs, Hoeffding, 1948). The intervals say how much a value depends on which cells were sampled. They do not
    cover another run of the method: a map with another seed can differ by more.

    **Chance** is the expected value if the rows of the map are in random order: k / (n − 1) for recall, about 0.5 for
    trustworthiness, continuity and triplets, 0 for correlations between cells. The measures of labels by chance are computed with
    shuffled labels, those of the distances between classes 20 times. Those are not 0: on a map in random order, small classes
    lie off the center, as they often do in the data. Batches in random order are well mixed: for `ilisi` and `kbet`, chance is
    the best that can be expected.

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

    start = logg.info("computing the quality of embeddings")
    random_state = seed_from(random_state, rng)
    check_copy(adata, copy=copy)
    check_n_cells(adata.n_obs)
    check_integer("n_cells", n_cells, at_least=3)
    key = "quality" if key_added is None else key_added
    check_key(key)
    ks = _neighbor_numbers(n_neighbors, adata.n_obs)
    purposes = _purposes(purpose, has_labels=labels is not None)
    classes = None if labels is None else read_classes(adata, labels)
    codes = np.full(adata.n_obs, -1) if classes is None else classes.values
    batches = None if batch_key is None else _read_batches(adata, batch_key)
    embeddings = _read_embeddings(adata, basis)
    adata = adata.copy() if copy else adata

    representation = choose_representation(adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer)
    x = _read_varied(representation)
    logg.info(f"    comparing {', '.join(embeddings)} with {representation.description}")
    sampling, per_cell, resampling = np.random.default_rng(random_state).spawn(3)
    samples = sample_cells(codes, n_cells, sampling)
    estimates, bins = measure_embeddings(x, {PCA: pca(x)} | embeddings, codes, ks, samples, resampling, batches)
    trust = per_cell_trust(x, embeddings, ks[0], per_cell)
    limit = trust_limit(ks[0], adata.n_obs, per_cell)

    params = representation.params() | {"n_features": x.shape[1], "n_neighbors": np.array(ks)}
    params |= {"n_cells": min(n_cells, adata.n_obs)} | recorded_seed(random_state)
    params |= {"labels": classes.key, "n_classes": len(classes.categories)} if classes else {}
    params |= {"batch_key": batch_key} if batch_key else {}
    columns = {trust_key(key, name): values for name, values in trust.items()}
    notes = ((key, "quality card (adata.uns)"), *((name, "trust of each cell (adata.obs)") for name in columns))
    untrusted = {untrusted_key(key, name): no_better_than_chance(values, limit) for name, values in trust.items()}
    notes += tuple((name, "cells whose trust is no better than chance (adata.obs)") for name in untrusted)
    shares = {name: float(untrusted[untrusted_key(key, name)].mean()) for name in embeddings}
    advice: dict[str, Advice] = {one: found for one in purposes if (found := advise(estimates, one, shares))}
    card = {"params": params, **pack_card(estimates, bins), "advice": pack_advice(advice)}
    results = Results(uns={key: card}, obs=columns | untrusted, notes=notes)
    for one in advice.values():
        logg.info("".join(f"    {line}\n" for line in (one.text, *(one.cautions if purpose else ()))).rstrip())
    logg.info("    finished", time=start, deep=f"added\n{results.write(adata)}")
    return adata if copy else None


def _purposes(purpose: Purpose | None, *, has_labels: bool) -> tuple[Purpose, ...]:
    """The purposes to give advice for."""
    if purpose is None:
        return get_args(Purpose)
    check_choice("purpose", purpose, get_args(Purpose))
    if purpose == "labels" and not has_labels:
        msg = "purpose='labels' needs classes: give a key of adata.obs as `labels`."
        raise ValueError(msg)
    return (purpose,)


def _read_batches(adata: AnnData, batch_key: str) -> NDArray[np.integer]:
    """Codes of the batches of the cells, −1 for cells without one."""
    if batch_key not in adata.obs:
        msg = f"batch_key={batch_key!r} is not in adata.obs, which holds {sorted(adata.obs.columns)}."
        raise KeyError(msg)
    codes, names = pd.factorize(adata.obs[batch_key])
    if len(names) < 2:
        msg = f"batch_key={batch_key!r} holds fewer than two batches: there is nothing to mix. Leave it out."
        raise ValueError(msg)
    load_scib_metrics()
    return codes


def _neighbor_numbers(n_neighbors: Sequence[int] | None, n_cells: int) -> list[int]:
    """Numbers of neighbors, smallest first."""
    # Fewer cells than twice the smallest number have as many neighbors as the measures can tell from chance.
    defaults = [k for k in _DEFAULT_NEIGHBORS if k < n_cells / 2] or [(n_cells - 1) // 2]
    numbers = sorted(defaults if n_neighbors is None else np.atleast_1d(n_neighbors).tolist())
    for k in numbers:
        if not is_integer(k) or not 1 <= k < n_cells / 2:
            msg = f"n_neighbors={k!r} must be an integer of at least 1 and below half of the {n_cells} cells."
            raise ValueError(msg)
    if not numbers:
        msg = "n_neighbors is empty: give at least one number of neighbors, or leave it out."
        raise ValueError(msg)
    return numbers


def _read_embeddings(adata: AnnData, basis: str | Sequence[str] | None) -> dict[str, NDArray[np.float32]]:
    """Coordinates by key of `.obsm`."""
    keys = basis_keys(adata, basis)
    if PCA in keys:
        msg = f"basis={PCA!r} is the name of the reference, the first two principal components. Rename your embedding."
        raise ValueError(msg)
    return {key: _read_varied(choose_representation(adata, use_rep=key)) for key in keys}


def _read_varied(representation: Representation) -> NDArray[np.float32]:
    """Rows of a matrix; an error if all of them are equal."""
    x = read_rows(representation.matrix, representation.description)
    if (x == x[:1]).all():
        msg = f"All {len(x)} rows are equal in {representation.description}: there are no distances to compare."
        raise ValueError(msg)
    return x
