"""`scivis.tl.adopt`: a model for a map that exists, so that new cells can be placed on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis._adata.adopted import beside, read_map
from scivis._adata.calibration import calibrate
from scivis._adata.choice import choose
from scivis._adata.model_input import model_input, report_source
from scivis._adata.representation import read_representation
from scivis._adata.results import Results
from scivis._checks import check_real
from scivis._ivis import arguments
from scivis._ivis.coordinates import displacement, fit_coordinates
from scivis._ivis.fit import Streams
from scivis._ivis.pack import pack_model
from scivis._ivis.place import StoredModel, map_cells
from scivis._quality.explained import explained_by_neighbors, explained_share
from scivis._random import recorded_seed, seed_from, seed_of
from scivis._verbosity import verbose

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.adopted import Map
    from scivis._adata.keys import Keys
    from scivis._adata.model_input import ModelInput
    from scivis._ivis.settings import Settings
    from scivis._random import RandomState, Rng

# Shares of the variance of a map that neighbors explain: below the first, the map is refused, and below the second, a warning
# is given. Maps that were made from the representation are at 0.9 and above.
_REFUSED, _DOUBTFUL = 0.1, 0.7
# Cells that the network puts so far from where they are, in standard deviations of the map, are counted in the message.
_MISFIT = 0.5


def adopt(  # noqa: PLR0913 (each is a setting of its own, all but two keyword-only)
    adata: AnnData,
    basis: str = "X_umap",
    *,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    mask_var: NDArray[np.bool_] | str | None = None,
    noise: float | None = None,
    epochs: int | None = None,
    max_train_cells: int | Literal["auto"] | None = "auto",
    random_state: RandomState = 0,
    rng: Rng = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Learn a map that exists, so that new cells can be placed on it.

    A network learns the coordinates of the cells on a published UMAP, t-SNE or other map from the representation that the map
    was made from, usually the principal components. The map stays as it is. Afterwards :func:`scivis.tl.ingest` places new
    cells on it, with their novelty, from the stored network and up to 4,000 landmarks: the file can be shared without the cells.

    The network is that of :func:`scivis.tl.ivis`. The loss is the absolute difference of coordinates, whose minimum is a median:
    a cell whose neighbors lie in two places is put in one of them and not between them. Noise is added to the representation,
    so that the network learns the surroundings of a cell, and not the cell by heart.

    A new cell is placed by the network, moved as far as the network errs for the landmarks that resemble it, and drawn to those of them
    that lie nearest on the map. The less it resembles any landmark, the more it stays where the network puts it.

    A map is learned as far as it is a function of the representation. Where a map is torn, so that neighbors lie far from each
    other, the network decides for one side. The misfit of each cell shows where.

    Parameters
    ----------
    adata
        Annotated data matrix, cells × genes, in memory or backed.
    basis
        The map: a key of `.obsm`, with or without `X_`. One to three columns.
    use_rep
        Representation from which the map is learned: a key of `.obsm`, or `X`. It should be the one that the map was made from.
        Default: the PCA, or `.X` for at most 50 genes.
    n_pcs
        Number of columns of the representation to use. If 0, `.X` is used.
    layer
        Layer to use as the representation.
    mask_var
        Genes to use if the representation is `.X` or a layer: a boolean mask, or its column in `.var`. Default: all genes.
    noise
        Standard deviation of the noise, relative to that of the representation. More noise fits the cells of the map worse and
        places new cells more safely. Default: 0.4.
    epochs
        Number of epochs. Default: 80 up to 10,000 cells, fewer above.
    max_train_cells
        Maximum number of training cells. If there are more, the network is trained on a subsample in which small populations are
        kept. `auto` is 100,000 above 150,000 cells. `None` trains on all cells.
    random_state
        Seed: an integer, or a NumPy generator or `RandomState`; `None` gives other results in each call. With the same seed,
        machine and versions, results are identical. Global random states are neither used nor changed.
    rng
        Seed as in scanpy 1.13, in place of `random_state`: what :func:`numpy.random.default_rng` takes.
    key_added
        Key of the model and prefix of the results, in place of the name of the map without `X_`.
    copy
        Whether to return a modified copy instead of writing to `adata`.

    Returns
    -------
    Returns `None` if `copy=False`, else an `AnnData` object. Sets the following fields:

    `adata.uns['umap' | key_added]` : :class:`dict`
        `basis` (the key of the map), `method`, `history` and `model` (the network and what new cells need, as by
        :func:`scivis.tl.ivis`, with the coordinates of the landmarks). `params` of the method that made the map stay,
        and the origin of the representation is added to them. `explained` holds the shares of the variance of the map that
        neighbors (`neighbors`) and the network (`network`) explain.
    `adata.obs['umap_misfit' | key_added + '_misfit']` : :class:`pandas.Series` (float32)
        Distance between the place of a cell on the map and the place that the network gives it, in standard deviations of the
        map (the root of the mean variance of its axes).

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ValueError
        If the map cannot be learned: neighbors in the representation explain less than a tenth of its variance, or it holds NaN
        or infinite values. If something else is stored under the key. `adata` is not changed.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> reference, query = adata[:600].copy(), adata[600:].copy()
    >>> scivis.tl.adopt(reference, "X_umap", epochs=2)
    >>> scivis.tl.ingest(query, reference, key="umap")
    >>> query.obsm["X_umap"].shape
    (100, 2)
    """
    from scanpy import logging as logg

    start = logg.info("learning a map")
    random_state = seed_from(random_state, rng)
    target = read_map(adata, basis)
    if noise is not None:
        check_real("noise", noise, at_least=0)
    choice = choose(adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer)
    keys = _keys(target, key_added, choice.keys_read())
    arguments.check_call(adata, max_train_cells, None, random_state, (), copy=copy)
    beside(adata, keys.uns, target.key, {"params": {}})
    n_train = arguments.train_size(adata.n_obs, max_train_cells)
    settings = arguments.choose_map_settings(
        n_train, embedding_dims=target.coordinates.shape[1], input_noise=noise, epochs=epochs, verbose=int(verbose())
    )
    pca, training, sampling, folds = np.random.default_rng(random_state).spawn(4)
    adata = adata.copy() if copy else adata

    representation = read_representation(adata, choice, seed_of(pca))
    cells = model_input(adata, representation, mask_var=mask_var, n_train=n_train, random_state=seed_of(sampling))
    logg.info(f"    learning adata.obsm[{target.key!r}] from {cells.rows.name}")
    rows = arguments.training_rows(cells.rows, n_train, sampling)
    if n_train < adata.n_obs:
        logg.info(f"    training on {n_train:,} of {adata.n_obs:,} cells (max_train_cells)")
    coordinates = target.coordinates if rows.subsample is None else target.coordinates[rows.subsample]
    explained = explained_by_neighbors(rows.x, coordinates, sampling)
    _check_explained(explained, target.key, cells)
    fitted = fit_coordinates(rows.x, coordinates, settings, Streams.of(training))
    fitted = replace(fitted, reference=calibrate(fitted.reference, adata, cells, folds))

    # What the network knows by itself: with their own places, the cells of the map would have no misfit.
    network = replace(fitted, places=None)
    stored = StoredModel(pack_model(settings, network), fitted=None if rows.all_rows.is_dask else network)
    learned, _, _ = map_cells(stored, rows.all_rows, None, with_novelty=False)
    shares = {"neighbors": explained, "network": explained_share(target.coordinates, learned)}
    misfit = displacement(target.coordinates, learned)
    call = {"n_train_cells": n_train} | _params(settings) | recorded_seed(random_state)
    entry = {
        "method": "ivis",
        "basis": target.key,
        "params": call | cells.params(),
        "history": {"loss": np.asarray(fitted.training.losses if fitted.training else [])},
        "explained": shares,
        "model": pack_model(settings, fitted),
        "predictions": {},
    } | cells.with_correction(rows.x).pack()
    written = _results(keys, beside(adata, keys.uns, target.key, entry), misfit).write(adata)
    logg.info(f"    {_summary(shares, misfit)}")
    report_source(adata, cells)
    logg.info("    finished", time=start, deep=f"added\n{written}")
    return adata if copy else None


def _keys(target: Map, key_added: str | None, read: tuple[str, ...]) -> Keys:
    keys = target.keys(key_added)
    if target.key in read:
        msg = f"basis={target.key!r} would be learned from itself. Name the representation that the map was made from with use_rep."
        raise ValueError(msg)
    if keys.uns in read:
        msg = f"key_added={keys.uns!r} is the key of what is read here, which the result would replace. Choose another key."
        raise ValueError(msg)
    return keys


def _check_explained(share: float, basis: str, cells: ModelInput) -> None:
    """Refuse a map that is no function of the representation, and warn of one that is hardly one."""
    from scanpy import logging as logg

    found = f"neighbors in {cells.rows.name} explain {max(share, 0):.0%} of the variance of the map {basis!r}"
    if share < _REFUSED:
        msg = (
            f"The map cannot be learned: {found}. It was made from another representation, or its rows belong to other cells. "
            "Name the representation that it was made from with use_rep."
        )
        raise ValueError(msg)
    if share < _DOUBTFUL:
        logg.warning(
            f"    {found}. Was it made from another representation (use_rep)? New cells will be placed as roughly."
        )


def _summary(shares: dict[str, float], misfit: NDArray[np.float32]) -> str:
    far = float((misfit > _MISFIT).mean())
    return (
        f"neighbors explain {shares['neighbors']:.1%} of the variance of the map, and the network {shares['network']:.1%}; "
        f"median misfit {np.median(misfit):.1%} of its standard deviation; {far:.1%} of the cells are off by more than {_MISFIT:.0%}"
    )


def _params(settings: Settings) -> dict[str, Any]:
    """Settings of the training by the names of the arguments."""
    return {"noise": settings.input_noise, "epochs": settings.epochs, "batch_size": settings.batch_size}


def _results(keys: Keys, entry: dict[str, Any], misfit: NDArray[np.float32]) -> Results:
    notes = (
        (keys.uns, "model of the map (adata.uns)"),
        (keys.misfit, "distance between the map and the model, in standard deviations of the map (adata.obs)"),
    )
    return Results(obs={keys.misfit: misfit}, uns={keys.uns: entry}, notes=notes)
