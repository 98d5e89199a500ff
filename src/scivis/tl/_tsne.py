"""`scivis.tl.tsne`: t-SNE by openTSNE, from an AnnData object to a map that can go on and take new cells."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis._adata.expression import expression_input, gene_input, pack_input
from scivis._adata.keys import Keys
from scivis._adata.representation import check_copy, choose_representation
from scivis._checks import check_seed, given_settings
from scivis._methods import entry_of
from scivis._progress import verbose
from scivis._tsne.affinities import make_affinities, search_method
from scivis._tsne.arguments import (
    change_settings,
    check_resumed,
    choose_graph,
    choose_settings,
    listed_callbacks,
    own_metric,
    plain_seed,
    plain_tuple,
    resolve_settings,
    suit_graph,
)
from scivis._tsne.initialization import initial_positions
from scivis._tsne.optimization import Record, optimize, start_embedding
from scivis._tsne.place import (
    Config,
    pack_model,
    reference_rows,
    unpack_config,
    unpack_optimizer,
    unpack_positions,
    used_graph,
)
from scivis.data._reading import read_rows
from scivis.data._validation import check_rows
from scivis.neighbors._novelty import fit_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray
    from openTSNE import TSNEEmbedding

    from scivis._adata.representation import Representation
    from scivis._tsne.optimization import Callback
    from scivis._tsne.presets import Preset
    from scivis._tsne.settings import Affinity, GradientMethod, Search, Settings


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
    random_state: int | np.random.Generator = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Draw cells with t-SNE, by openTSNE, and keep what it takes to go on and to place new cells.

    Cells attract their neighbours and repel all other cells until the Kullback-Leibler divergence between the two
    pictures of who is near whom is low (van der Maaten and Hinton, JMLR 9, 2008). Of all maps in two dimensions t-SNE
    keeps the most neighbours; how far apart distant groups lie on it means little. The engine is openTSNE (Poličar,
    Stražar and Zupan, Journal of Statistical Software 109, 2024), with the defaults of its version 1.0.4 except that
    all cores work (`n_jobs`) and neighbours are searched exactly up to 100,000 cells, so that the map depends on
    neither the number of cores nor the luck of a search.

    Without `neighbors_key` the graph of `sc.pp.neighbors` is reused if it has as many neighbours as are needed: three
    times the perplexity, 90 by default, while scanpy searches 14. So run `sc.pp.neighbors(adata, n_neighbors=91)` first
    to search only once for everything, or take ``affinity="uniform"``, for which any number will do.

    Parameters
    ----------
    adata
        Cells × genes, in memory or backed.
    n_components
        Axes of the map: 2 (the default), 1, or 3, which is slow for many cells.
    perplexity
        About how many neighbours attract a cell, 30 by default; at most a third of the cells, otherwise it is lowered
        with a warning. Several make a mixture of kernels, or with ``affinity="multiscale"`` their mean.
    use_rep
        What stands for the cells: a key of `.obsm`, or `X`. By default the PCA, or `.X` for at most 50 genes. If
        there is no PCA it is computed and written, with a warning, as scanpy does.
    n_pcs
        How many columns of it to use; 0 means `.X`.
    layer
        A layer to use instead.
    neighbors_key
        The graph to use, by the `key_added` of `sc.pp.neighbors`. A graph of other cells is refused. If it has too few
        neighbours for perplexity 30, and neither `affinity` nor `perplexity` is given, the affinity is `uniform`.
    preset
        `default`; `art`, the recipe of Kobak and Berens ("The art of using t-SNE for single-cell transcriptomics",
        Nature Communications 10, 2019): start at the PCA, learning rate n / 12, perplexities 30 and n / 100 together,
        and from 100,000 cells on exaggeration 4 instead; or `million`, for a million cells and more: exaggeration 4
        (the same paper) with uniform weights of 15 neighbours (Böhm, Berens and Kobak, JMLR 23, 2022), a sixth of the
        usual memory. The parameters below change single settings of it.
    affinity
        How neighbours attract: `perplexity` (a Gaussian as wide as the perplexity asks), `multiscale` (the mean of
        several), `uniform` (all neighbours alike), `fixed_sigma` (a Gaussian as wide as `sigma` everywhere), or
        `connectivities`, the weights of the graph itself.
    sigma
        Width of the Gaussian for `fixed_sigma`, in the unit of the representation.
    n_neighbors
        Neighbours per cell for `uniform` and `fixed_sigma`: by default all of the graph, or 30.
    neighbors
        Makes a search: `exact`, `annoy`, `pynndescent`, `hnsw`, `approx` (Annoy where it knows the metric), or `auto`:
        `exact` up to 100,000 cells, then `approx`.
    metric
        Makes a search, by this distance: a name, `euclidean` by default, or a function of two rows.
    metric_params
        Arguments of the metric.
    knn_kwargs
        Arguments of the search, such as `n_trees` for Annoy.
    initialization
        Where the cells start: `pca` (the default), `spectral`, `random`, a key of `.obsm`, for instance `X_ivis` for
        its layout with finer detail, or an array. Keys and arrays are scaled to a standard deviation of 0.0001.
    learning_rate
        `auto` (the default) is the number of cells divided by the exaggeration (Belkina et al., Nature Communications
        10, 2019).
    early_exaggeration_iter
        Iterations of the first phase, in which attraction is stronger, so that groups form: 250, or 0 with `resume` and
        with ``n_iter=0``.
    early_exaggeration
        How much stronger: by default 12, or `exaggeration` if that is more.
    n_iter
        Iterations of the second phase, 500 by default; 0 stores the start, or what the first phase makes of it.
    exaggeration
        How much stronger attraction is in the second phase, 1 by default; 4 keeps groups compact among many cells.
    dof
        Degrees of freedom of the kernel on the map, 1 by default. Less, heavier tails, parts finer groups.
    theta
        How coarse the Barnes-Hut tree is, 0.5 by default; 0 is exact and slow.
    n_interpolation_points, min_num_intervals, ints_in_interval
        The grid of the interpolation: points per cell (3), cells per axis at least (50), largest side of a cell (1).
    negative_gradient_method
        `bh`, the Barnes-Hut tree, `fft`, interpolation, or `auto`: `fft` from 10,000 cells on.
    initial_momentum, final_momentum
        Of the two phases, 0.8 by default.
    max_grad_norm
        Longest gradient of a cell; by default there is no limit.
    max_step_norm
        Longest step of a cell, 5 by default; infinity for none.
    n_jobs
        Threads; −1, the default, takes all cores.
    callbacks
        Functions `(iteration, error, embedding)`, called every so many iterations of a phase; `error` is the divergence,
        `embedding` openTSNE's array of positions. One that returns true ends the optimisation; the map is kept.
    callbacks_every_iters
        How often they are called and the divergence is noted: every 50 iterations by default.
    resume
        Go on with the map of an earlier call, with its settings and momentum, for `n_iter` iterations. Parameters
        that are given change; affinities are computed again, from the same graph, or by the same search.
    random_state
        Seed: the same seed, machine and versions give the same bits. With `resume` that of the first call counts.
    key_added
        Write under this key instead.
    copy
        Return a changed copy and leave `adata` as it is.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets:

    `adata.obsm['X_tsne' | key_added]` : :class:`numpy.ndarray` (float64, cells × n_components)
        The map; :func:`scanpy.pl.tsne` draws it.
    `adata.uns['tsne' | key_added]` : :class:`dict`
        `params`, `kl_divergence`, `history` with a row every 50 iterations, and the model, from which
        :func:`scivis.tl.ingest` places new cells and :func:`scivis.get.model` makes openTSNE's embedding. With a single
        perplexity also `pbic`, by which perplexities can be compared: lower is better (Cao and Wang, 2017).

    Raises
    ------
    KeyError
        If a representation, a graph, a start, or with `resume` a map is not there.
    ValueError
        If the data hold NaN, infinite or only equal rows, or an argument does not suit them. `adata` is unchanged.

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

    start = logg.info("computing t-SNE")
    keys = Keys.of("tsne", key_added)
    given = given_settings(
        n_components=n_components, perplexity=plain_tuple(perplexity), affinity=affinity, sigma=sigma,
        n_neighbors=n_neighbors, neighbors=neighbors, metric=metric, metric_params=metric_params, knn_kwargs=knn_kwargs,
        initialization=initialization, learning_rate=learning_rate, early_exaggeration_iter=early_exaggeration_iter,
        early_exaggeration=early_exaggeration, n_iter=n_iter, exaggeration=exaggeration, dof=dof, theta=theta,
        n_interpolation_points=n_interpolation_points, min_num_intervals=min_num_intervals,
        ints_in_interval=ints_in_interval, negative_gradient_method=negative_gradient_method,
        initial_momentum=initial_momentum, final_momentum=final_momentum, max_grad_norm=max_grad_norm,
        max_step_norm=max_step_norm, n_jobs=n_jobs, callbacks_every_iters=callbacks_every_iters,
    )  # fmt: skip
    callbacks = listed_callbacks(callbacks)
    check_seed(random_state)
    check_copy(adata, copy=copy)
    before = None
    if resume:
        check_resumed(given, preset, use_rep=use_rep, n_pcs=n_pcs, layer=layer)
        before = unpack_config(entry_of(adata, keys.uns), own_metric(metric))
        settings, positions = change_settings(before.settings, given, adata.n_obs), None
    else:
        settings, positions = choose_settings(adata, given, preset, plain_seed(random_state))
    graph_key = choose_graph(adata, neighbors_key, settings, given, before.graph if before else None)
    if graph_key:
        free = not resume and preset == "default" and not {"affinity", "perplexity"} & set(given)
        settings = suit_graph(adata, graph_key, settings, free=free)
    settings = resolve_settings(settings, adata.n_obs)
    adata = adata.copy() if copy else adata

    if before:
        begun = _go_on(adata, keys, before)
    else:
        representation = choose_representation(
            adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer, random_state=settings.random_state
        )
        begun = _begin(adata, representation)
    _check_data(begun.x, settings)
    affinities = make_affinities(begun.x, settings, used_graph(adata, graph_key, settings, begun.x))
    source = f"the graph {graph_key!r}" if graph_key else f"searched, {search_method(settings, adata.n_obs)}"
    logg.info(f"    neighbours: {source}")
    if before is None:
        begun.positions = initial_positions(begun.x, affinities, settings, positions)
    embedding = start_embedding(begun.positions, affinities, settings, begun.optimizer)
    with _bar(settings, begun.record):
        optimize(embedding, settings, callbacks, begun.record)

    reference = fit_reference(begun.x, np.random.default_rng(settings.random_state))
    adata.obsm[keys.obsm] = np.array(embedding)
    adata.uns[keys.uns] = {
        "method": "tsne",
        "params": begun.params | _params(settings, begun.record, source),
        "kl_divergence": float(embedding.kl_divergence),
        "history": begun.record.history(),
        "model": pack_model(embedding, Config(settings, graph_key, keys.obsm), reference),
        "expression": begun.expression,
    } | _pbic(embedding, settings)
    logg.info(
        f"    finished, Kullback-Leibler divergence {embedding.kl_divergence:.3f}",
        time=start,
        deep=f"added\n    {keys.obsm!r}, t-SNE coordinates (adata.obsm)\n    {keys.uns!r}, t-SNE model (adata.uns)",
    )
    return adata if copy else None


@dataclass
class _Begun:
    """What a map is made from, and how far it is."""

    x: NDArray[np.float32]
    params: dict[str, Any]
    expression: dict[str, Any]
    record: Record
    positions: NDArray[np.floating] = field(default_factory=lambda: np.empty((0, 2)))
    optimizer: tuple[NDArray[Any], NDArray[Any]] | None = None


def _begin(adata: AnnData, representation: Representation) -> _Begun:
    from scanpy import logging as logg

    x = read_rows(representation.matrix, representation.description)
    logg.info(f"    using {representation.description}")
    params = {"representation": representation.kind, "use_rep": representation.key, "n_features": x.shape[1]}
    if representation.kind == "obsm":
        expression = expression_input(adata, representation)
    else:
        layer = "" if representation.kind == "X" else representation.key
        expression = gene_input(representation.matrix, adata.var_names.to_numpy(dtype=object), layer)
    return _Begun(x, params, pack_input(expression), Record())


def _go_on(adata: AnnData, keys: Keys, before: Config) -> _Begun:
    entry = adata.uns[keys.uns]
    positions = unpack_positions(adata, before)
    params = {name: entry["params"][name] for name in ("representation", "use_rep", "n_features")}
    return _Begun(
        reference_rows(adata, entry),
        params,
        entry.get("expression", {}),
        Record.of(entry.get("history")),
        positions,
        unpack_optimizer(entry, positions.shape),
    )


def _check_data(x: NDArray[np.float32], settings: Settings) -> None:
    check_rows(x)
    if settings.initialization == "pca" and settings.n_components > min(x.shape):
        msg = f"n_components={settings.n_components}, but the data have {min(x.shape)} axes: take initialization='spectral'."
        raise ValueError(msg)


@contextmanager
def _bar(settings: Settings, record: Record) -> Iterator[None]:
    """A bar over all iterations, from scanpy's `hint` level on."""
    from tqdm.auto import tqdm

    total = settings.early_exaggeration_iter + settings.n_iter
    with tqdm(total=total, desc="t-SNE", unit="iteration", disable=not verbose()) as bar:
        first = record.done
        record.tell = lambda iteration: bar.update(iteration - first - bar.n)
        yield


def _params(settings: Settings, record: Record, source: str) -> dict[str, Any]:
    """Those settings that are plain values, with the learning rate that was used last."""
    plain: dict[str, Any] = {
        name: value for name, value in asdict(settings).items() if isinstance(value, str | int | float)
    }
    if isinstance(settings.perplexity, tuple):
        plain["perplexity"] = np.array(settings.perplexity)
    if callable(settings.metric):
        plain["metric"] = "custom"
    return plain | {"neighbors": source} | ({"learning_rate": record.phase[1]} if record.phase[1] else {})


def _pbic(embedding: TSNEEmbedding, settings: Settings) -> dict[str, float]:
    if settings.affinity != "perplexity" or isinstance(settings.perplexity, tuple):
        return {}
    from openTSNE.metrics import pBIC

    return {"pbic": float(pBIC(embedding))}
