"""`scivis.tl.tsne`: from an AnnData object to a t-SNE of its cells and the model, which can be continued."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis._adata.calibration import calibrate
from scivis._adata.choice import choose
from scivis._adata.keys import Keys
from scivis._adata.model_input import report_source
from scivis._adata.representation import check_copy, read_representation
from scivis._adata.results import Results
from scivis._checks import check_n_cells
from scivis._methods import entry_of
from scivis._random import seed_from
from scivis._tsne.arguments import (
    check_resumable,
    find_anchor,
    given_settings,
    list_callbacks,
    plan_first,
    plan_resumed,
    read_graph,
    read_input,
)
from scivis._tsne.fit import fit_tsne
from scivis._tsne.pack import pack_model, unpack_model
from scivis._tsne.sample import arranged_cells, arranged_mask, place_others
from scivis._tsne.stored import fitted_choice, stored_input, stored_rows
from scivis._verbosity import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.model_input import ModelInput
    from scivis._random import RandomState, Rng
    from scivis._tsne.model import FittedTsne
    from scivis._tsne.optimization import Callback
    from scivis._tsne.presets import Preset
    from scivis._tsne.sample import WholeMap
    from scivis._tsne.settings import Affinity, GradientMethod, Search


def tsne(  # noqa: PLR0913 (each is a setting of the method, all keyword-only)
    adata: AnnData,
    *,
    n_components: int | None = None,
    perplexity: float | Sequence[float] | None = None,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    neighbors_key: str | None = None,
    preset: Preset = "default",
    affinity: Affinity | None = None,
    sigma: float | None = None,
    n_neighbors: int | None = None,
    neighbors: Search | None = None,
    metric: str | Callable[..., float] | None = None,
    metric_params: dict[str, Any] | None = None,
    knn_kwargs: dict[str, Any] | None = None,
    initialization: str | NDArray[np.floating] | None = None,
    anchor: str | None = None,
    anchor_weight: float | None = None,
    anchor_mask: str | None = None,
    learning_rate: float | Literal["auto"] | None = None,
    early_exaggeration_iter: int | None = None,
    early_exaggeration: float | Literal["auto"] | None = None,
    n_iter: int | None = None,
    exaggeration: float | None = None,
    dof: float | None = None,
    theta: float | None = None,
    n_interpolation_points: int | None = None,
    min_num_intervals: int | None = None,
    ints_in_interval: float | None = None,
    negative_gradient_method: GradientMethod | None = None,
    initial_momentum: float | None = None,
    final_momentum: float | None = None,
    max_grad_norm: float | None = None,
    max_step_norm: float | None = None,
    n_jobs: int | None = None,
    callbacks: Callback | Sequence[Callback] = (),
    callbacks_every_iters: int | None = None,
    resume: bool = False,
    random_state: RandomState = 0,
    rng: Rng = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Embed cells with t-SNE, using openTSNE, and store the model.

    t-SNE minimizes the Kullback-Leibler divergence between affinities of cells in the data and in the embedding (van der Maaten
    and Hinton, JMLR 9, 2008): neighbors attract each other, and all other cells repel each other. In two dimensions it preserves
    neighborhoods better than other methods; distances between distant groups mean little. It is computed by openTSNE (Poličar,
    Stražar and Zupan, Journal of Statistical Software 109, 2024) with the defaults of its version 1.0.4, with two exceptions:
    all cores are used (`n_jobs`), and neighbors are searched exactly up to 100,000 cells. The embedding therefore depends on
    neither the number of cores nor the approximation of a search.

    Without `neighbors_key`, the graph of `sc.pp.neighbors` is reused if it is one of the same representation and has enough
    neighbors: three times the perplexity, 90 by default, while scanpy computes 14. Run `sc.pp.neighbors(adata, n_neighbors=91)`
    first to share one search between tools, or set ``affinity="uniform"``, for which any number of neighbors is sufficient.

    Parameters
    ----------
    adata
        Cells × genes, in memory or backed.
    n_components
        Number of dimensions: 1, 2 or 3, which is slow for many cells. Default: 2.
    perplexity
        Effective number of neighbors that attract a cell. Above a third of the cells, it is decreased, with a warning if it was
        given. Several values give a mixture of Gaussian kernels, or their mean with ``affinity="multiscale"``. Default: 30.
    use_rep
        Representation of the cells: a key of `.obsm`, or `X`. Default: the one that the graph of `sc.pp.neighbors` was computed
        from; without a graph the PCA, or `.X` for at most 50 genes. A missing PCA is computed and stored, with a warning, as
        scanpy does.
    n_pcs
        Number of columns of the representation; 0 for `.X`. Default: all.
    layer
        Layer that replaces the representation.
    neighbors_key
        Neighbor graph: the `key_added` of `sc.pp.neighbors`. A graph of other cells raises an error, and a graph of another
        representation a warning. If it has too few neighbors
        for a perplexity of 30, and neither `affinity` nor `perplexity` is given, the affinity is `uniform`.
    preset
        Set of settings, which the parameters below replace: `default`; `art`, the recipe of Kobak and Berens ("The art of using
        t-SNE for single-cell transcriptomics", Nature Communications 10, 2019): initialization with the PCA, learning rate
        n / 12, perplexities 30 and n / 100 combined, and from 100,000 cells on exaggeration 4 instead; or `million`, for a
        million cells or more: exaggeration 4 (the same paper) and uniform affinities of 15 neighbors (Böhm, Berens and Kobak,
        JMLR 23, 2022), which take a sixth of the memory.
    affinity
        Attraction between neighbors: `perplexity` (Gaussian, with a width that follows from the perplexity), `multiscale` (the
        mean of several), `uniform` (all neighbors equal), `fixed_sigma` (Gaussian of width `sigma` for all cells), or
        `connectivities` (weights of the graph). Default: `perplexity`.
    sigma
        Width of the Gaussian for `fixed_sigma`, in the unit of the representation.
    n_neighbors
        Number of neighbors for `uniform` and `fixed_sigma`. Default: all of the graph, or 30 with a search.
    neighbors
        Neighbor search: `exact`, `annoy`, `pynndescent`, `hnsw`, `approx` (Annoy where it supports the metric, otherwise
        PyNNDescent), or `auto` (`exact` up to 100,000 cells, then `approx`). If given, neighbors are searched even if there is a
        graph. Default: `auto`.
    metric
        Distance: a name, or a function of two rows. If given, neighbors are searched even if there is a graph. Default: that
        of the graph of the same representation if it is `cosine` or `manhattan`, otherwise `euclidean`.
    metric_params, knn_kwargs
        Arguments of the metric, and of the search, such as `n_trees` for Annoy.
    initialization
        Initial coordinates: `pca`, `spectral`, `random`, an array, or a key of `.obsm`; from `X_ivis`, for instance, t-SNE
        refines the layout of ivis. Arrays and keys are scaled to a standard deviation of 0.0001. With an anchor also `anchor`:
        the anchor in a size in which neighbors find each other. Default: `pca`, or `anchor` with an anchor.
    anchor
        Key of `.obsm` with other coordinates of the cells, toward which the optimization pulls them: an embedding of ivis, the
        PCA, an earlier embedding, positions in a tissue. The first `n_components` columns are used. Default: no anchor.
    anchor_weight
        Weight of the anchor in the loss, which is the divergence plus the weight times one minus the correlation of the
        coordinates with those of the anchor. 0 is t-SNE, and infinity is the anchor itself. Default: 8, and above 5,000
        cells 8 (5,000 / n)^0.2, because the neighbors of a cell lie nearer to it among more cells, relative to the whole.
    anchor_mask
        Column of `.obs` with the relative weight of each cell: a boolean, or a number of at least 0. Cells with 0 move freely;
        their coordinates in the anchor may be missing (NaN). Default: 1 for all cells.
    learning_rate
        Learning rate; `auto` is the number of cells divided by the exaggeration (Belkina et al., Nature Communications 10,
        2019). Default: `auto`.
    early_exaggeration_iter
        Number of iterations of the first phase, in which stronger attraction forms groups. Default: 250, or 0 with `resume`, an
        anchor, or ``n_iter=0``.
    early_exaggeration
        Factor of the attraction in the first phase. Default: 12, or `exaggeration` if that is larger.
    n_iter
        Number of iterations of the second phase; 0 stores the initialization or the result of the first phase. Default: 500, or
        150 with an anchor.
    exaggeration
        Factor of the attraction in the second phase; 4 keeps groups of many cells compact. Default: 1.
    dof
        Degrees of freedom of the kernel of the embedding, Student's t. Smaller values separate finer groups. Default: 1.
    theta
        Accuracy of the Barnes-Hut tree; 0 is exact and slow. Default: 0.5.
    n_interpolation_points, min_num_intervals, ints_in_interval
        Grid of the interpolation: points per grid cell (default: 3), smallest number of grid cells per axis (default: 50), and
        largest side of a grid cell (default: 1, or 1.5 with an anchor).
    negative_gradient_method
        Computation of the repulsion: `bh` (Barnes-Hut tree), `fft` (interpolation), or `auto` (`fft` from 10,000 cells on).
        Default: `auto`.
    initial_momentum, final_momentum
        Momentum of the first and of the second phase. Default: 0.8.
    max_grad_norm, max_step_norm
        Largest gradient of a cell (default: no limit), and largest step of a cell (default: 5; infinity for no limit).
    n_jobs
        Number of threads; −1 for all cores. Default: −1.
    callbacks
        Functions `(iteration, error, embedding)`, called during each phase with the Kullback-Leibler divergence and openTSNE's
        array of coordinates. If one returns true, the optimization ends, and the present coordinates are stored.
    callbacks_every_iters
        Number of iterations between calls of the callbacks and rows of the history. Default: 50.
    resume
        Whether to continue an earlier call, with its settings and momentum, for `n_iter` iterations. Arguments that are given
        replace its settings. Affinities are computed again from the same graph or by the same search.
    random_state
        Seed: an integer, or a NumPy generator or `RandomState`; `None` gives other results in each call. The same seed, machine
        and versions give the same bits. With `resume` that of the first call.
    rng
        Seed as in scanpy 1.13, in place of `random_state`: what :func:`numpy.random.default_rng` takes.
    key_added
        Key of the results, instead of `X_tsne` and `tsne`.
    copy
        Whether to return a changed copy and leave `adata` as it is.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets:

    `adata.obsm['X_tsne' | key_added]` : :class:`numpy.ndarray` (float64, cells × n_components)
        Coordinates, which :func:`scanpy.pl.tsne` plots.
    `adata.uns['tsne' | key_added]` : :class:`dict`
        `params`, `kl_divergence`, `history` with a row every 50 iterations, and the model, from which
        :func:`scivis.tl.ingest` places new cells and :func:`scivis.get.model` restores openTSNE's embedding. With a single
        perplexity also `pbic`, by which perplexities can be compared: lower is better (Cao and Wang, 2017).

    Raises
    ------
    KeyError
        If a representation, a graph, an initialization or, with `resume`, an earlier embedding does not exist.
    ValueError
        If the data hold NaN or infinite values or all rows are equal, or if an argument is invalid. `adata` is unchanged.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()[:200].copy()
    >>> scivis.tl.tsne(adata, early_exaggeration_iter=50, n_iter=0)
    >>> scivis.tl.tsne(adata, resume=True, n_iter=50)
    >>> adata.obsm["X_tsne"].shape, len(adata.uns["tsne"]["history"]["kl_divergence"])
    ((200, 2), 2)
    """
    from scanpy import logging as logg

    given = given_settings(locals())
    start = logg.info("computing t-SNE")
    entry: dict[str, Any] = {}
    if resume:
        check_resumable(given, preset, use_rep=use_rep, n_pcs=n_pcs, layer=layer)
        entry = entry_of(adata, key_added or "tsne")
        choice = fitted_choice(entry)
    else:
        choice = choose(adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer, neighbors_key=neighbors_key)
    keys = Keys.of("tsne", key_added, reads=(*choice.keys_read(neighbors_key), anchor or ""))
    functions = list_callbacks(callbacks)
    random_state = seed_from(random_state, rng)
    check_n_cells(adata.n_obs)
    check_copy(adata, copy=copy)
    arranged, mask = arranged_cells(adata, entry), arranged_mask(adata, entry)
    if resume:
        # A function is the metric of the stored model, which cannot hold it; a name replaces the metric.
        fitted = unpack_model(entry, arranged.obsm, metric if callable(metric) else None)
        settings, graph_key, initial = plan_resumed(arranged, choice, fitted, given, neighbors_key)
    else:
        settings, graph_key, initial = plan_first(adata, choice, given, preset, neighbors_key, random_state)
    pull = find_anchor(arranged, settings)
    adata = adata.copy() if copy else adata

    if resume:
        cells = stored_input(arranged, entry, fitted.reference)
    else:
        cells = read_input(adata, read_representation(adata, choice, settings.random_state))
    logg.info(f"    using {cells.rows.name}")
    graph, described = read_graph(arranged, graph_key, settings, cells.rows.matrix)
    logg.info(f"    neighbors: {described}")
    fitted = fit_tsne(
        cells.rows.matrix, settings, graph, initial, functions,
        anchor=pull, graph_key=graph_key, obsm_key=keys.obsm, bar=bar("t-SNE"),
    )  # fmt: skip
    folds = np.random.default_rng(settings.random_state)
    fitted = replace(fitted, reference=calibrate(fitted.reference, adata, cells, folds))

    if not resume:
        report_source(adata, cells)
    whole = None if mask is None else _with_others(adata, entry, fitted, cells.rows.matrix, mask)
    written = tsne_results(keys, fitted, cells.with_correction(cells.rows.matrix), described, whole).write(adata)
    divergence = f"Kullback-Leibler divergence {fitted.kl_divergence:.3f}"
    logg.info(f"    finished, {divergence}", time=start, deep=f"added\n{written}")
    return adata if copy else None


def _with_others(
    adata: AnnData, entry: Any, fitted: FittedTsne, x: NDArray[np.float32], mask: NDArray[np.bool_]
) -> WholeMap:
    """All cells on a continued t-SNE of a sample with the rows `x`, which are placed by its anchor, however weak it is."""
    anchored = np.asarray(adata.obsm[fitted.settings.anchor])[:, : fitted.settings.n_components]
    return place_others(fitted, x, mask, stored_rows(adata, entry), anchored)


def tsne_results(
    keys: Keys, fitted: FittedTsne, cells: ModelInput, neighbors: str, whole: WholeMap | None = None
) -> Results:
    """Everything that is written: the coordinates and the model. A t-SNE of a sample has a `whole` map of all cells."""
    entry = {
        "method": "tsne",
        "params": _params(fitted)
        | cells.params()
        | {"neighbors": neighbors}
        | ({"sample": keys.sample} if whole else {}),
        "kl_divergence": fitted.kl_divergence,
        "history": fitted.history.columns(),
        "model": pack_model(fitted),
    } | cells.pack()
    return Results(
        obsm={keys.obsm: whole.coordinates if whole else fitted.coordinates},
        obs={keys.sample: whole.mask} if whole else {},
        uns={keys.uns: entry | ({} if fitted.pbic is None else {"pbic": fitted.pbic})},
        notes=(
            (keys.obsm, "t-SNE coordinates (adata.obsm)"),
            (keys.uns, "t-SNE model (adata.uns)"),
            *(
                [(keys.sample, "cells that t-SNE arranged; the others are placed among them (adata.obs)")]
                if whole
                else []
            ),
        ),
    )


def _params(fitted: FittedTsne) -> dict[str, Any]:
    """Settings that files can store, with the learning rate that was used last."""
    settings = fitted.settings.plain()
    params = {name: value for name, value in settings.items() if isinstance(value, str | int | float)}
    several = {"perplexity": np.array(value)} if isinstance(value := settings["perplexity"], tuple) else {}
    _, learning_rate = fitted.history.phase
    return params | several | ({"learning_rate": learning_rate} if learning_rate else {})
