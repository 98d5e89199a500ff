"""`scivis.tl.ivis`: the embedding of the cells of an AnnData object, and the model that computes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis._adata.calibration import as_new_cells, calibrate
from scivis._adata.choice import choose
from scivis._adata.keys import Keys
from scivis._adata.model_input import model_input, report_source
from scivis._adata.predictions import pack_predictions, predicted_labels, predictions_of
from scivis._adata.representation import read_representation
from scivis._adata.results import Results
from scivis._ivis import arguments
from scivis._ivis.estimator import Ivis
from scivis._ivis.pack import pack_model
from scivis._ivis.place import StoredModel, map_cells
from scivis._ivis.settings import Settings
from scivis._ivis.temperature import calibrate_labels, hold_out_labels, without_labels
from scivis._random import recorded_seed, seed_from, seed_of
from scivis._verbosity import verbose
from scivis.data._validation import ValidatedRows
from scivis.tl._detail import check_detail, detail_results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.model_input import ModelInput
    from scivis._adata.predictions import Predictions
    from scivis._ivis.checkpoint import Checkpoint
    from scivis._ivis.presets import Preset
    from scivis._random import RandomState, Rng
    from scivis.data._streaming import Rows
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
    labels: str | pd.Series | None = None,
    supervision_metric: str | None = None,
    supervision_weight: float = 0.5,
    unlabeled_category: str | None = None,
    max_train_cells: int | Literal["auto"] | None = "auto",
    annoy_index_path: str | Path | None = None,
    checkpoint: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    detail: bool = False,
    random_state: RandomState = 0,
    rng: Rng = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Embed cells with a siamese neural network, and store the network with them.

    A network is trained that computes the coordinates of a cell from its representation, usually its principal
    components. The loss attracts each cell to its nearest neighbors and repels it from the other cells of its batch
    (InfoNCE; Damrich et al., ICLR 2023). A second term correlates the distances between random cells with those in the
    representation. Training starts from the first principal components, so that the layout hardly depends on the seed.
    Because the embedding is a function of the representation, :func:`scivis.tl.ingest` can map new cells to it.

    With ``preset="classic"``, the method is ivis 2.0 (Szubert et al., Scientific Reports 9, 8914, 2019): a triplet
    loss, 150 neighbors, three SELU layers and early stopping.

    Parameters
    ----------
    adata
        Annotated data matrix, cells × genes, in memory or backed.
    n_components
        Number of dimensions of the embedding.
    n_neighbors
        Number of neighbors of a cell, itself excluded. If this, `backend` or `metric` is given, neighbors are searched.
        Otherwise the graph of `sc.pp.neighbors` is used, if there is one of the same representation. Default: 25, or 10
        above 10,000 cells, where cells lie more densely (`classic`: 150).
    use_rep
        Representation of the cells: a key of `.obsm`, or `X`. Default: the one that the graph of `sc.pp.neighbors` was
        computed from; without a graph the PCA, or `.X` for at most 50 genes. If there is no PCA, it is computed and
        written to `adata`, with a warning.
    n_pcs
        Number of columns of the representation to use. If 0, `.X` is used.
    layer
        Layer to use as the representation.
    mask_var
        Genes to use if the representation is `.X` or a layer: a boolean mask, or its column in `.var`. Default: all
        genes. If the genes of the training cells need more than 32 MiB, the network reads 50 principal components of
        them, by default those of the highly variable genes if these are marked.
    neighbors_key
        Neighbor graph to use: the `key_added` of `sc.pp.neighbors`. Default: that of `sc.pp.neighbors` without
        `key_added`, unless it was computed from another representation. A graph that is named is used in any case, with a
        warning.
    backend
        Algorithm of the neighbor search: `exact`, `ivf` (an inverted file), `pynndescent`, `annoy`, or `auto` (the
        default), which is `exact` up to 20,000 cells and `ivf` above.
    metric
        Distance of the neighbor search: `euclidean`, `cosine` or `manhattan`. Default: that of the graph of the same
        representation if it is one of these, otherwise `euclidean`.
    preset
        Defaults of `n_neighbors` and of the parameters from `network` to `learning_rate`: `default`, or `classic` for
        those of ivis 2.0.
    network
        Hidden layers: `compact` or `residual` (three layers of 128 or 224 units with layer normalization), `szubert`
        (128-128-128), `maaten` (500-500-2000), `hinton` (2000-1000-500), a list of widths, or a Keras model without the
        last layer. Default: `compact`, and with labels `residual` (`classic`: `szubert`). A wider network places new
        cells worse, because it learns the cells of training by heart.
    loss
        Loss of the embedding: `infonce` (the default) or a triplet loss: `pn` (`classic`), `euclidean`, `manhattan`,
        `chebyshev`, `cosine`, `softmax_ratio`, each also as `…_pn` (`euclidean_pn` is `pn`); a name given to
        :func:`scivis.nn.register_loss`; or a function `(y_true, y_pred)`.
    global_weight
        Weight of the correlation of distances. A larger weight preserves the global layout better, and neighborhoods
        worse. Default: 0.33 up to 10,000 cells, 0.27 above, where training sees more random pairs, 0.6 on a subsample
        (`classic`: 0).
    linear_path
        Whether the embedding is a linear projection plus the output of the network. The projection starts as the
        first principal components. Default: true (`classic`: false).
    batch_size
        Number of anchor cells per training step. In InfoNCE, all other cells of a batch are negatives, so that larger
        batches resolve finer detail. Default: a fifth of the cells; above 10,000 cells 512, each with three of its
        neighbors, or with labels 1,024, each with one (`classic`: 128).
    epochs
        Maximum number of epochs. Default: 80 up to 10,000 cells, 28 to 5 above, 3 on a subsample of more than 10,000
        cells. With labels: 48, 56 to 20, and 12 (`classic`: 1000).
    patience
        Number of epochs without a lower loss after which training stops. The best weights are kept. By default,
        training does not stop early (`classic`: 20).
    learning_rate
        Initial learning rate of Muon, which decays to zero along a cosine. Default: 0.008 up to 10,000 cells, 0.005
        above (`classic`: 0.001, constant, of Adam). At most 10, because each step changes a weight by about so much.
    labels
        Labels to learn as well: a key of `.obs` (categories, strings, booleans and integers are classes, other numbers
        are values to predict), a column with the index of `.obs`, or a key of `.obsm` (a matrix of zeros and ones holds
        several labels per cell, other numbers are values). Cells whose label is missing, that is, NaN or −1, are trained
        without it. So are some others, if the labels are classes: their probabilities are calibrated on a tenth of each
        class, of fewer than 3,000 cells up to a fifth, and of at most 1,000 cells. Of about 100 labels or fewer, all are
        learned, without calibration.
    supervision_metric
        Keras loss of the labels. Default: `sparse_categorical_crossentropy` for classes, `binary_crossentropy` for
        several labels per cell, `mae` for values. `categorical_hinge` is a linear support-vector machine.
    supervision_weight
        Weight of the labels in the total loss, between 0 (labels have no effect) and 1 (neighbors have no effect).
    unlabeled_category
        Category that marks unlabeled cells.
    max_train_cells
        Maximum number of training cells. If there are more cells, the network is trained on a subsample in which small
        populations are kept, and then embeds all cells. `auto` is 100,000 above 150,000 cells, because a network of
        this size gains little from more. `None` trains on all cells.
    annoy_index_path
        File for the index of ``backend="annoy"``, which is otherwise kept in memory. An existing index is used.
    checkpoint
        Folder for neighbors and model, saved at the end of an epoch if two minutes have passed. If training was
        interrupted, the same call resumes from there, and its result is identical to that of an uninterrupted call.
        Remove the folder afterwards.
    callbacks
        Keras callbacks, or those of :mod:`scivis.nn.callbacks`.
    detail
        Whether to also compute a t-SNE that is anchored to the embedding and keeps its layout, as :func:`scivis.tl.tsne` does with
        ``anchor="X_ivis"``. It shows more of the neighbors of a cell, and takes its affinities from up to 15 of the
        neighbors of training; if these are fewer than 10, they are searched again. Up to 20,000 cells and without a graph, it has
        the perplexity of t-SNE, 30. If the network is trained on a subsample, the t-SNE
        arranges this subsample, and the other cells are placed among it, as :func:`scivis.tl.ingest` does with new cells: each
        at its place on the map of the network, moved as its 15 nearest cells of the subsample were.
    random_state
        Seed: an integer, or a NumPy generator or `RandomState`; `None` gives other results in each call. With the same seed,
        machine and versions, results are identical. Global random states are neither used nor changed.
    rng
        Seed as in scanpy 1.13, in place of `random_state`: what :func:`numpy.random.default_rng` takes.
    key_added
        Key of the results, in place of those below.
    copy
        Whether to return a modified copy instead of writing to `adata`.

    Returns
    -------
    Returns `None` if `copy=False`, else an `AnnData` object. Sets the following fields:

    `adata.obsm['X_ivis' | key_added]` : :class:`numpy.ndarray` (float32, cells × n_components)
        Coordinates of the cells.
    `adata.uns['ivis' | key_added]` : :class:`dict`
        `method`, `params`, `history` (loss of each epoch), `predictions` (names of the classes) and `model`: one array of bytes,
        without code, that holds the network (see :func:`scivis.get.model`), the genes and the PCA of the representation, and its
        soft clusters (see :func:`scivis.tl.ingest`).

    With `detail`, also the t-SNE, which is a model of its own for :func:`scivis.tl.ingest` and :func:`scivis.tl.tsne`
    (`resume`), under the key `ivis_detail`:

    `adata.obsm['ivis_detail' | key_added + '_detail']` : :class:`numpy.ndarray` (float64, cells × n_components)
        Coordinates of the anchored t-SNE.
    `adata.uns['ivis_detail' | key_added + '_detail']` : :class:`dict`
        As written by :func:`scivis.tl.tsne`.
    `adata.obs['ivis_detail_sample' | key_added + '_detail_sample']` : :class:`pandas.Series` (bool)
        Cells that the t-SNE arranged, if they are a subsample. The model needs this column.

    With `labels`, also the predictions for all cells, labeled or not:

    `adata.obs['ivis_label' | key_added + '_label']` : :class:`pandas.Series`
        Most likely class (categorical, with the colors of `labels`), or the predicted value.
    `adata.obs['ivis_certainty' | key_added + '_certainty']` : :class:`pandas.Series` (float32)
        Probability of that class, calibrated for cells whose label was not learned: of new cells like those of the
        reference that are told with 0.8, about 80 % are right. `params` holds the temperature by which logits were divided
        (`label_temperature`) and the part of the probability that was spread over all classes (`label_doubt`).
    `adata.obsm['ivis_scores' | key_added + '_scores']` : :class:`numpy.ndarray` (float32, cells × classes)
        Probability of each class; for hinge losses, distance from its decision boundary; or several predicted values.

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ValueError
        If values are NaN or infinite, all cells are equal, the graph was computed for other cells, or an argument is
        not valid. `adata` is not changed.
    OSError
        If `checkpoint` or `annoy_index_path` cannot be written, or a disk is full.

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
    random_state = seed_from(random_state, rng)
    choice = choose(adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer, neighbors_key=neighbors_key)
    keys = Keys.of("ivis", key_added, reads=choice.keys_read(neighbors_key))
    arguments.check_call(adata, max_train_cells, checkpoint, random_state, callbacks, copy=copy)
    n_train = arguments.train_size(adata.n_obs, max_train_cells)
    check_detail(detail=detail, n_cells=n_train, n_components=n_components)
    supervision = arguments.choose_labels(adata, labels, supervision_metric, unlabeled_category)
    settings = arguments.choose_settings(
        preset, n_train, supervision, is_subsample=n_train < adata.n_obs, supervision_weight=supervision_weight,
        embedding_dims=n_components, k=n_neighbors, model=network, distance=loss, global_weight=global_weight,
        linear_path=linear_path, batch_size=batch_size, epochs=epochs, n_epochs_without_progress=patience,
        learning_rate=learning_rate, verbose=int(verbose()),
    )  # fmt: skip
    source = arguments.choose_neighbors(
        adata, choice, neighbors_key, k=settings.k, n_neighbors=n_neighbors, backend=backend, metric=metric,
        index_path=annoy_index_path,
    )  # fmt: skip
    search, training, sampling, folds, label_rng, arranging = np.random.default_rng(random_state).spawn(6)
    adata = adata.copy() if copy else adata

    representation = read_representation(adata, choice, seed_of(search))
    cells = model_input(adata, representation, mask_var=mask_var, n_train=n_train, random_state=seed_of(sampling))
    logg.info(f"    using {cells.rows.name}")
    rows = arguments.training_rows(cells.rows, n_train, sampling, reads_all=bool(source.graph))
    if n_train < adata.n_obs:
        logg.info(f"    training on {n_train:,} of {adata.n_obs:,} cells (max_train_cells)")
    targets = rows.targets(supervision)
    held_out = hold_out_labels(targets, settings.supervision_metric, label_rng)
    learned = without_labels(targets, held_out)
    point = arguments.open_checkpoint(checkpoint, settings, rows.x, learned, random_state)
    neighbors, described = arguments.get_neighbors(adata, source, rows.x, search, point)
    logg.info(f"    neighbors: {described}")

    model = Ivis(**settings.params(), neighbour_matrix=neighbors, anchors=rows.anchors, callbacks=callbacks)
    _train(model.set_params(random_state=training), rows.x, learned, point)
    model.fitted_ = replace(model.fitted_, reference=calibrate(model.fitted_.reference, adata, cells, folds))
    new = as_new_cells(adata, cells, rows.x[held_out], rows.indices(held_out))
    model.fitted_, calibration = calibrate_labels(model.fitted_, new, targets, held_out)
    named = predictions_of(supervision, adata) if supervision and model.fitted_.head else None
    call = {"preset": preset, "n_train_cells": n_train, "neighbors": described} | recorded_seed(random_state)
    call |= {f"label_{name}": value for name, value in calibration._asdict().items()} if named else {}
    results = _results(keys, model, cells.with_correction(rows.x), call, rows.all_rows, named)
    written = results.write(adata)
    if detail:
        detailed = detail_results(adata, cells, rows, keys, (neighbors, described), source, arranging)
        written += "\n" + detailed.write(adata)
    report_source(adata, cells)
    logg.info("    finished", time=start, deep=f"added\n{written}")
    return adata if copy else None


def _train(model: Ivis, x: NDArray[np.float32], targets: Any, point: Checkpoint | None) -> None:
    """Train the model on the rows of `x`, shape (n, features). With a checkpoint, resume an interrupted training."""
    from scanpy import logging as logg

    if point is not None:
        model.set_params(callbacks=[*(model.callbacks or ()), point.autosave()])
        if (fitted := point.resume(Settings.of(model).backbone)) is not None:
            model.fitted_ = fitted
            logg.info(f"    resuming after epoch {len(model.loss_history_)}")
    model.fit(ValidatedRows(x), targets)


def _results(
    keys: Keys, model: Ivis, cells: ModelInput, call: dict[str, Any], all_rows: Rows, named: Predictions | None
) -> Results:
    """The embedding, the model and, if labels were learned, the predictions for all rows."""
    settings, losses = Settings.of(model), model.loss_history_
    packed = pack_model(settings, model.fitted_)
    # The workers of a dask cluster restore the model from its packed form. Anywhere else, the fitted one is used.
    stored = StoredModel(packed, settings.backbone, None if all_rows.is_dask else model.fitted_)
    embedding, _, scores = map_cells(stored, all_rows, named, with_novelty=False)
    entry = {
        "method": "ivis",
        "params": call | cells.params() | _params(settings, len(losses)),
        "history": {"loss": np.asarray(losses)},
        "model": packed,
        "predictions": pack_predictions(named),
    } | cells.pack()
    notes = ((keys.obsm, "ivis coordinates (adata.obsm)"), (keys.uns, "ivis model (adata.uns)"))
    results = Results(obsm={keys.obsm: embedding}, uns={keys.uns: entry}, notes=notes)
    return results | predicted_labels(keys, named, scores) if named else results


def _params(settings: Settings, n_epochs: int) -> dict[str, Any]:
    """Settings of the training by the names of the arguments."""
    names = ("batch_size", "optimizer", "learning_rate", "global_weight", "linear_path")
    same = {name: getattr(settings, name) for name in names}
    return same | {"n_components": settings.embedding_dims, "loss": settings.loss_name, "epochs": n_epochs}
