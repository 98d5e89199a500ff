"""`scivis.tl.ivis`: from an AnnData object to a map of its cells and the model that computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis._adata.expression import pack_input
from scivis._adata.keys import Keys
from scivis._adata.model_input import model_input
from scivis._adata.predictions import pack_predictions, predicted_labels, predictions_of
from scivis._adata.representation import choose_representation
from scivis._adata.results import Results
from scivis._ivis.arguments import (
    check_call,
    choose_labels,
    choose_neighbors,
    choose_settings,
    get_neighbors,
    open_checkpoint,
    train_size,
    training_rows,
)
from scivis._ivis.estimator import Ivis
from scivis._ivis.pack import pack_model
from scivis._ivis.place import StoredModel, map_cells
from scivis._ivis.settings import Settings
from scivis._progress import verbose
from scivis._random import recorded_seed, seed_of
from scivis.data._validation import ValidatedRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.model_input import ModelInput
    from scivis._ivis.arguments import TrainingRows
    from scivis._ivis.checkpoint import Checkpoint
    from scivis._ivis.presets import Preset
    from scivis.neighbors import Backend, Metric
    from scivis.nn.losses import IvisLoss


def ivis(  # noqa: PLR0913 (each is a setting of the method, all keyword-only)
    adata: AnnData,
    *,
    n_components: int = 2,
    n_neighbors: int | None = None,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    mask_var: NDArray[np.bool_] | str | None = None,
    neighbors_key: str | None = None,
    backend: Backend | None = None,
    metric: Metric | None = None,
    preset: Preset = "default",
    network: str | Sequence[int] | keras.Model | None = None,
    loss: str | IvisLoss | None = None,
    global_weight: float | None = None,
    linear_path: bool | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    learning_rate: float | None = None,
    labels: str | None = None,
    supervision_metric: str | None = None,
    supervision_weight: float = 0.5,
    unlabeled_category: str | None = None,
    max_train_cells: int | Literal["auto"] | None = "auto",
    annoy_index_path: str | Path | None = None,
    checkpoint: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    random_state: int | np.random.Generator = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Map cells with a siamese network, and keep the network.

    A network is trained to bring each cell near its neighbours and away from the other cells of its batch
    (InfoNCE; Damrich et al., ICLR 2023), while distances between random cells keep correlating with those in the
    input. It starts at the principal components and bends them, so that layout and orientation hardly depend on
    the seed. Because the map is a function of the input, new cells can be placed on it: :func:`scivis.tl.ingest`.

    With ``preset="classic"`` the method is ivis 2.0 as its authors describe it (Szubert et al., Scientific Reports
    9, 8914, 2019): triplets, 150 neighbours, three SELU layers, early stopping.

    Parameters
    ----------
    adata
        Cells × genes, in memory or backed.
    n_components
        Axes of the map.
    n_neighbors
        Neighbours per cell, the cell itself not counted. Giving it makes a search; without it a graph of
        `sc.pp.neighbors` is reused or, if there is none, 25 neighbours are searched, 10 among more than 10,000 cells, whose
        nearest are nearer (150 for `classic`).
    use_rep
        What stands for the cells: a key of `.obsm`, or `X`. By default the PCA, or `.X` for at most 50 genes. If
        there is no PCA it is computed and written, with a warning, as scanpy does.
    n_pcs
        How many columns of it to use; 0 means `.X`.
    layer
        A layer to use instead.
    mask_var
        Which genes to read, where genes are read: a mask, or its name in `.var`. By default all. Genes of the training
        cells that would take more than 32 MiB are read through 50 principal components, and then only the highly
        variable ones, if they are marked.
    neighbors_key
        The graph to use, by the `key_added` of `sc.pp.neighbors`. A graph of other cells is refused.
    backend
        Makes a search, with `exact`, `ivf` (an inverted file), `pynndescent` or `annoy`; `auto` takes `exact` up to 20,000
        cells and `ivf` above.
    metric
        Makes a search, by this distance: `euclidean` (the default), `cosine` or `manhattan`.
    preset
        `default`, or `classic` for the settings of ivis 2.0. The parameters below change single settings of it.
    network
        `residual` (three layers of 224 with layer normalisation), `szubert` (128-128-128), `maaten` (500-500-2000),
        `hinton` (2000-1000-500), a list of widths, or a Keras model without its last layer.
    loss
        `infonce`, or a triplet loss: `pn`, `euclidean`, `manhattan`, `chebyshev`, `cosine`, `softmax_ratio`, each
        also as `…_pn` (`euclidean_pn` is `pn`); a registered name; or a callable `(y_true, y_pred)`.
    global_weight
        Weight of the correlation of distances; by default 0.33 up to 10,000 cells and 0.27 above, where training meets
        more random pairs, 0.6 for a sample. More shows the global layout better and the neighbourhoods worse.
    linear_path
        Whether training starts at the principal components.
    batch_size
        Anchors per step: by default a fifth of the cells, which come alone, or 512 of more than 10,000 cells, which bring
        three neighbours each (with labels 1,024, which bring one). In InfoNCE all other rows of the batch are
        negatives: more of them sharpen local detail.
    epochs
        Passes over the cells, at most. By default 32 up to 10,000 cells, from 14 to 5 above, 3 over a sample;
        to learn labels, too, half as many more, or four times as many of more than 10,000 cells.
    patience
        Epochs without a lower loss before training stops; the best weights are kept. `default` runs all its epochs,
        at a rate that falls to zero; `classic` waits for 20.
    learning_rate
        Of Muon (`classic`: of Adam) at the start; it falls to zero along a cosine (`classic`: it stays).
    labels
        Learn these too: a key of `.obs` (categories, strings, truth values and whole numbers are classes, other numbers
        are values) or of `.obsm` (a matrix of zeros and ones: several labels per cell; otherwise values). Cells
        without a label, NaN or −1, only follow their neighbours.
    supervision_metric
        The Keras loss for them: by default `sparse_categorical_crossentropy` for classes, `binary_crossentropy` for
        several labels per cell, `mae` for values; `categorical_hinge` is a linear support-vector machine.
    supervision_weight
        Share of that loss in the whole, from 0 (labels change nothing) to 1 (neighbours change nothing).
    unlabeled_category
        The label that means that there is none.
    max_train_cells
        Train on so many cells at most, drawn so that small populations survive, and map all cells with the network then.
        A network of this size learns hardly more from a million cells than from a good sample of them: `auto` takes
        100,000 where there are more than 150,000. `None` trains on all.
    annoy_index_path
        With `backend="annoy"`: keep its index in this file and not in memory. One that is there already is used.
    checkpoint
        A folder for neighbours and model, saved every two minutes at the end of an epoch. The same call goes on from there
        after a crash or a kill and ends, bit for bit, where it would have ended without. Remove the folder when you have
        the result.
    callbacks
        Keras callbacks, or those of :mod:`scivis.nn.callbacks`, called during training.
    random_state
        Seed: the same seed, machine and versions give the same bits. No global random state is read or changed.
    key_added
        Write under this key instead.
    copy
        Return a changed copy and leave `adata` as it is.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets:

    `adata.obsm['X_ivis' | key_added]` : :class:`numpy.ndarray` (float32, cells × n_components)
        The map.
    `adata.uns['ivis' | key_added]` : :class:`dict`
        `method`, `params`, `history` (loss per epoch), `model` (network and weights as plain arrays, for
        :func:`scivis.get.model`), `expression` (what :func:`scivis.tl.ingest` needs to start from genes) and
        `predictions` (the names of the classes).

    With `labels` also what the network predicts for every cell, with or without a label:

    `adata.obs['ivis_label' | key_added + '_label']` : :class:`pandas.Series`
        The most likely class (categorical, in the colours of `labels`), or the value.
    `adata.obs['ivis_certainty' | key_added + '_certainty']` : :class:`pandas.Series` (float32)
        The probability of that class.
    `adata.obsm['ivis_scores' | key_added + '_scores']` : :class:`numpy.ndarray` (float32, cells × classes)
        The probability of each class, its distance from the boundary for a hinge loss, or several values.

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ValueError
        If the data hold NaN, infinite or only equal rows, or an argument does not suit them. `adata` is unchanged.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> adata.obsm["X_ivis"].shape
    (700, 2)
    """
    from scanpy import logging as logg

    start = logg.info("computing ivis")
    keys = Keys.of("ivis", key_added)
    check_call(adata, max_train_cells, checkpoint, random_state, copy=copy)
    n_train = train_size(adata.n_obs, max_train_cells)
    learned = choose_labels(adata, labels, supervision_metric, unlabeled_category)
    settings = choose_settings(
        preset, n_train, learned, is_subsample=n_train < adata.n_obs, supervision_weight=supervision_weight,
        embedding_dims=n_components, k=n_neighbors, model=network, distance=loss, global_weight=global_weight,
        linear_path=linear_path, batch_size=batch_size, epochs=epochs, n_epochs_without_progress=patience,
        learning_rate=learning_rate, verbose=int(verbose()),
    )  # fmt: skip
    source = choose_neighbors(
        adata, neighbors_key, k=settings.k, n_neighbors=n_neighbors, backend=backend, metric=metric,
        index_path=annoy_index_path,
    )  # fmt: skip
    search, training, sampling = np.random.default_rng(random_state).spawn(3)
    adata = adata.copy() if copy else adata

    representation = choose_representation(
        adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer, random_state=seed_of(search)
    )
    cells = model_input(adata, representation, mask_var=mask_var, n_train=n_train, random_state=seed_of(sampling))
    logg.info(f"    using {cells.rows.name}")
    rows = training_rows(cells.rows, n_train, source, sampling)
    targets = rows.targets(learned)
    point = open_checkpoint(checkpoint, settings, rows.x, targets, random_state)
    neighbors, described = get_neighbors(adata, source, rows.x, search, point)
    logg.info(f"    neighbors: {described}")
    model = Ivis(
        **settings.params(),
        neighbour_matrix=neighbors,
        anchors=rows.anchors,
        callbacks=callbacks,
        random_state=training,
    )
    _train(model, rows, targets, point, adata.n_obs)

    results = _results(adata, keys, model, cells, rows, supervision_weight and learned)
    results.uns[keys.uns]["params"] |= {"preset": preset, "neighbors": described} | recorded_seed(random_state)
    written = results.write(adata)
    logg.hint(f"    scivis.tl.ingest will place new cells by their {cells.source}")
    logg.info("    finished", time=start, deep=f"added\n{written}")
    return adata if copy else None


def _train(model: Ivis, rows: TrainingRows, targets: Any, point: Checkpoint | None, n_cells: int) -> None:
    """Train the model; with a checkpoint, from where an earlier call was interrupted."""
    from scanpy import logging as logg

    chosen = rows.anchors if rows.subsample is None else rows.subsample
    if chosen is not None:
        logg.info(f"    training on {len(chosen):,} of {n_cells:,} cells (max_train_cells)")
    if point is not None:
        model.set_params(callbacks=[*(model.callbacks or ()), point.autosave()])
        if (fitted := point.resume(Settings.of(model).backbone)) is not None:
            model.fitted_ = fitted
            logg.info(f"    resuming after epoch {len(model.loss_history_)}")
    model.fit(ValidatedRows(rows.x), targets)


def _results(
    adata: AnnData, keys: Keys, model: Ivis, cells: ModelInput, rows: TrainingRows, learned: Any
) -> Results:  # fmt: skip
    """Everything that is written: the embedding, the model and, after learning labels, predictions."""
    settings = Settings.of(model)
    packed = pack_model(settings, model.fitted_)
    named = predictions_of(learned, adata) if learned else None
    # A dask array may be mapped by the workers of a cluster, which restore the model; here it is at hand.
    stored = StoredModel(packed, settings.backbone, None if rows.all_rows.is_dask else model.fitted_)
    embedding, _, scores = map_cells(stored, rows.all_rows, named, with_novelty=False)
    entry = {
        "method": "ivis",
        "params": cells.params() | _params(settings, model, rows),
        "history": {"loss": np.asarray(model.loss_history_)},
        "model": packed,
        "expression": pack_input(cells.expression),
        "predictions": pack_predictions(named),
    }
    results = Results(
        obsm={keys.obsm: embedding},
        uns={keys.uns: entry},
        notes={keys.obsm: "ivis coordinates (adata.obsm)", keys.uns: "ivis model (adata.uns)"},
    )
    return results | predicted_labels(keys, named, scores) if named else results


def _params(settings: Settings, model: Ivis, rows: TrainingRows) -> dict[str, Any]:
    return {
        "n_train_cells": len(rows.x if rows.anchors is None else rows.anchors),
        "n_components": settings.embedding_dims,
        "loss": settings.loss_name,
        "batch_size": settings.batch_size,
        "epochs": len(model.loss_history_),
        "optimizer": settings.optimizer,
        "learning_rate": settings.learning_rate,
        "global_weight": settings.global_weight,
        "linear_path": settings.linear_path,
    }
