"""`scivis.tl.ivis`: from an AnnData object to a map of its cells and the model that drew it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis._adata.graph import stored_neighbors
from scivis._adata.keys import Keys
from scivis._adata.labels import pack_predictions, place_predictions, predictions_of
from scivis._adata.model_input import model_input, training_rows
from scivis._adata.representation import choose_representation
from scivis._checks import given_settings
from scivis._ivis.arguments import check_arguments, check_files, choose_labels, is_search, train_size
from scivis._ivis.estimator import Ivis
from scivis._ivis.pack import pack_input, pack_model, pack_params, unpack_model
from scivis._ivis.plan import backbone, seed_of
from scivis._ivis.presets import Preset, preset_params
from scivis._progress import bar, verbose
from scivis.data._sampling import sample_rows
from scivis.data._streaming import Rows
from scivis.neighbors import Backend, Metric, Neighbors, find_neighbors
from scivis.neighbors._search import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.labels import Predictions
    from scivis._adata.model_input import ModelInput
    from scivis._adata.representation import Representation
    from scivis._ivis.checkpoint import Checkpoint
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
    check_arguments(adata, n_components, epochs, patience, max_train_cells, random_state, copy=copy)
    check_files(backend, annoy_index_path, checkpoint, random_state)
    n_train = train_size(adata.n_obs, max_train_cells)
    is_labelled = labels is not None and supervision_weight != 0
    settings = preset_params(preset, n_train, is_sample=n_train < adata.n_obs, is_labelled=is_labelled) | given_settings(
        k=n_neighbors, model=network, distance=loss, global_weight=global_weight, linear_path=linear_path,
        batch_size=batch_size, epochs=epochs, n_epochs_without_progress=patience, learning_rate=learning_rate,
    )  # fmt: skip
    told = choose_labels(adata, labels, supervision_metric, unlabeled_category)
    searching = is_search(adata, neighbors_key, n_neighbors, backend, metric, settings["k"])
    search, training, sampling = np.random.default_rng(random_state).spawn(3)
    model = Ivis(
        n_components, **settings, supervision_weight=supervision_weight, callbacks=list(callbacks), verbose=int(verbose()),
        random_state=training, **given_settings(supervision_metric=told and told.metric),
    )  # fmt: skip
    model.check_settings(n_train)
    adata = adata.copy() if copy else adata

    representation = choose_representation(
        adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer, random_state=seed_of(search)
    )
    cells = model_input(adata, representation, mask_var, n_train, seed_of(sampling))
    logg.info(f"    using {cells.description}")
    sample = _sample(cells, n_train, sampling)
    # A graph leads from the cells of the sample to all others; a search is made among those of the sample.
    x = training_rows(cells.matrix, cells.description, sample if searching else None)
    model.check_rows(x)
    values = told and (told.values[sample] if searching and sample is not None else told.values)
    point = None if checkpoint is None else _checkpoint(checkpoint, model, x, values, random_state)
    if searching:
        neighbors, graph = _search(
            x, settings["k"], backend or "auto", metric or "euclidean", search, annoy_index_path, point
        )
    else:
        neighbors, graph = stored_neighbors(adata, neighbors_key, x), f"the graph {neighbors_key or 'neighbors'!r}"
    logg.info(f"    neighbours: {graph}")
    model.set_params(neighbour_matrix=neighbors, anchors=None if searching else sample)
    model = _train(model, x, values, point)

    packed = pack_model(model)
    named = predictions_of(told, adata) if told and is_labelled else None
    embedding, scores = _place(
        model, packed, Rows(x if len(x) == adata.n_obs else cells.matrix, cells.description), named
    )
    adata.obsm[keys.obsm] = embedding
    adata.uns[keys.uns] = {
        "method": "ivis",
        "params": _params(representation, model, preset, graph, random_state, x),
        "history": {"loss": np.asarray(model.loss_history_)},
        "model": packed,
        "expression": pack_input(cells.expression),
        "predictions": pack_predictions(named),
    }
    written = "\n" + place_predictions(keys, named, scores).write(adata) if named and scores is not None else ""
    source = "expression" if cells.expression else f"obsm[{representation.key!r}]"
    logg.hint(f"    scivis.tl.ingest will place new cells by their {source}")
    logg.info(
        "    finished",
        time=start,
        deep=f"added\n    {keys.obsm!r}, ivis coordinates (adata.obsm)\n    {keys.uns!r}, ivis model (adata.uns){written}",
    )
    return adata if copy else None


def _sample(cells: ModelInput, n_train: int, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """Numbers of the cells to train on, if these are not all."""
    from scanpy import logging as logg

    n_cells = cells.matrix.shape[0]
    if n_train == n_cells:
        return None
    sample = sample_rows(cells.matrix, n_train, rng, cells.description)
    logg.info(f"    training on {n_train:,} of {n_cells:,} cells (max_train_cells)")
    return sample


def _train(model: Ivis, x: NDArray[np.float32], values: Any, point: Checkpoint | None) -> Ivis:
    """The model, trained; with a checkpoint from there on."""
    from scanpy import logging as logg

    if point is not None:
        model = point.resume(model.set_params(callbacks=[*(model.callbacks or []), point.autosave()]))
        if hasattr(model, "loss_history_"):
            logg.info(f"    continuing after epoch {len(model.loss_history_)}")
    return model.fit(x, values)


def _place(
    model: Ivis, packed: dict[str, Any], cells: Rows, named: Predictions | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Where all cells lie and, after learning labels, what the network says of each."""
    # What travels to the workers of a cluster is the stored model, without the data of its training.
    fitted = unpack_model(packed, backbone=backbone(model)) if cells.is_dask else model
    embedding = cells.map(fitted.transform, model.embedding_dims, bar=bar("placing cells"))
    return embedding, cells.map(fitted.score_samples, max(len(named.categories), 1)) if named else None


def _search(
    x: NDArray[np.float32],
    n_neighbors: int,
    backend: Backend,
    metric: Metric,
    rng: np.random.Generator,
    index_path: str | Path | None,
    point: Checkpoint | None,
) -> tuple[Neighbors, str]:
    """Neighbours found now or, for a call that goes on, before."""
    # Rows that do not fit into memory are indexed on disk.
    backend = "annoy" if backend == "auto" and isinstance(x, np.memmap) else resolve(backend, len(x))
    path = index_path or (point.folder / "annoy.index" if point and backend == "annoy" else None)
    seed = seed_of(rng)

    def search() -> Neighbors:
        return find_neighbors(
            x, n_neighbors, backend=backend, metric=metric, random_state=seed, index_path=path and Path(path)
        )  # fmt: skip

    return point.neighbors(search) if point else search(), f"{n_neighbors} per cell, searched by {backend}, {metric}"


def _checkpoint(folder: str | Path, model: Ivis, x: NDArray[np.float32], values: Any, random_state: Any) -> Checkpoint:
    """The folder of this call, which is known by its settings and its data."""
    from scivis._ivis.checkpoint import Checkpoint, digest

    data = {"cells": x.shape, "rows": digest(x), "labels": None if values is None else digest(np.asarray(values))}
    call = pack_params(model) | {"network": str(model.model), "random_state": random_state} | data
    return Checkpoint.open(folder, call | {"verbose": None})


def _params(
    representation: Representation, model: Ivis, preset: str, source: str, random_state: Any, x: NDArray[np.float32]
) -> dict[str, Any]:
    params = {
        "preset": preset,
        "use_rep": representation.key,
        "representation": representation.kind,
        "n_features": x.shape[1],
        "n_train_cells": len(x) if model.anchors is None else len(model.anchors),
        "neighbors": source,
        "n_components": model.embedding_dims,
        "loss": model.distance if isinstance(model.distance, str) else "custom",
        "batch_size": model.batch_size,
        "epochs": len(model.loss_history_),
        "optimizer": model.optimizer,
        "learning_rate": model.learning_rate,
        "global_weight": model.global_weight,
        "linear_path": model.linear_path,
    }
    return params | ({"random_state": random_state} if isinstance(random_state, int) else {})
