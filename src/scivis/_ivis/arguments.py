"""The arguments of :func:`scivis.tl.ivis` as records that the stages read: settings, labels, rows and neighbors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.choice import choose_graph, search_metric
from scivis._adata.graph import stored_neighbors
from scivis._adata.labels import read_labels
from scivis._adata.representation import check_copy
from scivis._checks import (
    MIN_CELLS,
    check_callbacks,
    check_integer,
    check_n_cells,
    check_path,
    check_positive_int,
    given_settings,
    is_integer,
)
from scivis._random import seed_of
from scivis._store.files import check_writable
from scivis._verbosity import bar
from scivis.data._blocks import take_rows
from scivis.data._reading import read_rows
from scivis.data._sampling import sample_rows
from scivis.data._validation import check_rows
from scivis.neighbors import Neighbors, find_neighbors
from scivis.neighbors._search import check_n_neighbors, check_search, resolve_backend

from .checkpoint import Checkpoint, digest
from .presets import map_params, preset_params
from .settings import Settings, check_settings

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.choice import Choice
    from scivis._adata.labels import Labels
    from scivis.data._streaming import Rows
    from scivis.neighbors import Backend, Metric
    from scivis.nn.supervision import Targets

    from .presets import Preset

# Up to this number of cells all are used for training, above it a subsample. At the border the subsample takes half the time
# and preserves a tenth fewer neighbors (benchmarks/huge.py).
_ALL_UP_TO, _SUBSAMPLE = 150_000, 100_000


def check_call(
    adata: AnnData,
    max_train_cells: int | str | None,
    checkpoint: Any,
    random_state: int | np.random.Generator,
    callbacks: Any,
    *,
    copy: bool,
) -> None:
    """Raise for invalid arguments that are not settings of the model."""
    check_n_cells(adata.n_obs)
    if max_train_cells not in (None, "auto"):
        check_integer("max_train_cells", max_train_cells, at_least=MIN_CELLS)
    check_callbacks(callbacks)
    if checkpoint is not None:
        check_path("checkpoint", checkpoint)
        check_writable("checkpoint", Path(checkpoint))
    if checkpoint is not None and not is_integer(random_state):
        msg = f"checkpoint={str(checkpoint)!r} needs an integer as random_state, so that the call can be repeated."
        raise ValueError(msg)
    check_copy(adata, copy=copy)


def train_size(n_cells: int, max_train_cells: int | str | None) -> int:
    """Number of cells to train on."""
    if max_train_cells == "auto":
        return _SUBSAMPLE if n_cells > _ALL_UP_TO else n_cells
    return n_cells if max_train_cells is None else min(n_cells, int(max_train_cells))


def choose_labels(
    adata: AnnData, given: str | pd.Series | None, metric: str | None, unlabeled_category: str | None
) -> Labels | None:  # fmt: skip
    """The labels to learn; `None` without any."""
    from scanpy import logging as logg

    from scivis.nn.supervision import check_metric

    unused = list(given_settings(supervision_metric=metric, unlabeled_category=unlabeled_category))
    if given is None and unused:
        msg = f"{unused} apply to labels, but there are none: name them with labels=."
        raise ValueError(msg)
    if metric is not None:
        check_metric(metric)
    if given is None:
        return None
    labels = read_labels(adata, given, metric, unlabeled_category)
    n_labeled = int(labels.targets.labeled.sum())  # raises, before any work, if the labels cannot be learned
    if len(labels.categories) > n_labeled / 2:
        logg.warning(
            f"    labels={labels.key!r} has {len(labels.categories)} classes for {n_labeled} labeled cells: is it the column "
            "that you meant? Predictions need several cells of each class"
        )
    return labels


def choose_settings(
    preset: Preset, n_train: int, labels: Labels | None, *, is_subsample: bool, supervision_weight: float, **given: Any
) -> Settings:
    """The settings of a preset for `n_train` cells, validated, with the changes in `given` that are not `None`."""
    is_labeled = labels is not None and supervision_weight != 0
    params = preset_params(preset, n_train, is_subsample=is_subsample, is_labeled=is_labeled)
    params |= given_settings(**given, supervision_metric=labels and labels.metric)
    settings = Settings(**params, supervision_weight=supervision_weight)
    if settings.n_epochs_without_progress is not None:
        check_positive_int("patience", settings.n_epochs_without_progress)
    check_settings(settings, n_train)
    return settings


def choose_map_settings(n_train: int, **given: Any) -> Settings:
    """The settings for learning the coordinates of `n_train` cells, validated, with changes that are not `None`."""
    settings = Settings(**map_params(n_train) | given_settings(**given))
    check_settings(settings, n_train)
    return settings


@dataclass(frozen=True)
class NeighborSource:
    """Key of a neighbor graph in `adata.uns`; if that is empty, the settings of a neighbor search."""

    graph: str
    n_neighbors: int
    backend: Backend
    metric: Metric
    index_path: Path | None


def choose_neighbors(
    adata: AnnData,
    choice: Choice,
    neighbors_key: str | None,
    *,
    k: int,
    n_neighbors: int | None,
    backend: Backend | None,
    metric: Metric | None,
    index_path: Any,
) -> NeighborSource:
    """The graph of `sc.pp.neighbors` of the same representation; a search without one, or if a setting of it is given."""
    if index_path is not None:
        check_path("annoy_index_path", index_path)
    search = given_settings(n_neighbors=n_neighbors, backend=backend, metric=metric)
    metric = search_metric(adata, choice) if metric is None else metric
    source = NeighborSource("", k, backend or "auto", metric, index_path and Path(index_path))
    check_search(source.backend, source.metric)
    if index_path is not None and backend != "annoy":
        msg = f"annoy_index_path={str(index_path)!r} is for backend='annoy', but backend is {backend!r}."
        raise ValueError(msg)
    if index_path is not None and not Path(index_path).is_file():  # an index that is there is only read
        check_writable("annoy_index_path", Path(index_path))
    if neighbors_key is not None and search:
        msg = f"neighbors_key={neighbors_key!r} reuses a graph, but {search} requests a search: leave one of them out."
        raise ValueError(msg)
    if not search and (graph := choose_graph(adata, choice, neighbors_key)):
        return replace(source, graph=graph)
    check_n_neighbors(k, adata.n_obs)
    return source


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows to train on, and all rows to be embedded afterwards; all of them validated.

    Parameters
    ----------
    x
        Shape (n_train, features), or all rows if neighbors come from a graph of all cells.
    anchors
        Indices of the training cells in `x`; `None` for all.
    subsample
        Indices of the rows of `x` among all cells; `None` for all.
    all_rows
        All cells.
    """

    x: NDArray[np.float32]
    anchors: NDArray[np.int64] | None
    subsample: NDArray[np.int64] | None
    all_rows: Rows

    @property
    def trained(self) -> NDArray[np.float32]:
        """The rows to train on, shape (n_train, features)."""
        return self.x if self.anchors is None else self.x[self.anchors]

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Which of all cells are trained on, shape (n,); `None` for all."""
        chosen = self.anchors if self.subsample is None else self.subsample
        return None if chosen is None else np.isin(np.arange(len(self.all_rows)), chosen)

    def targets(self, labels: Labels | None) -> Targets | None:
        """Labels of the rows of `x`."""
        if labels is None:
            return None
        targets = labels.targets
        return targets if self.subsample is None else targets.take(self.subsample)

    def indices(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices of rows of `x` among all cells."""
        return rows if self.subsample is None else self.subsample[rows]


def training_rows(rows: Rows, n_train: int, rng: np.random.Generator, *, reads_all: bool = False) -> TrainingRows:
    """All rows, or a subsample in which small populations are kept, read into memory.

    With `reads_all`, all rows are read, as the neighbors of a graph may be any of them.
    """
    is_subsample = n_train < len(rows)
    if is_subsample and not reads_all:
        chosen = sample_rows(rows, n_train, rng, bar=bar("sampling cells"))
        x = take_rows(rows.matrix, chosen)
        check_rows(x)
        return TrainingRows(x, None, chosen, replace(rows, is_validated=True))
    x = read_rows(rows.matrix, rows.name)
    check_rows(x)
    rows = replace(rows, matrix=x, is_validated=True)
    return TrainingRows(
        x, sample_rows(rows, n_train, rng, bar=bar("sampling cells")) if is_subsample else None, None, rows
    )


def get_neighbors(
    adata: AnnData, source: NeighborSource, x: NDArray[np.float32], rng: np.random.Generator, point: Checkpoint | None
) -> tuple[Neighbors, str]:
    """The neighbors of the rows of `x`, shape (n, features), and their description."""
    if source.graph:
        return stored_neighbors(adata, source.graph, x), f"the graph {source.graph!r}"
    # Rows that do not fit into memory are indexed on disk.
    is_mapped = source.backend == "auto" and isinstance(x, np.memmap)
    backend = "annoy" if is_mapped else resolve_backend(source.backend, len(x))
    search = partial(
        find_neighbors,
        x,
        source.n_neighbors,
        backend=backend,
        metric=source.metric,
        random_state=seed_of(rng),
        index_path=source.index_path or (point.index_path if point and backend == "annoy" else None),
        bar=bar("searching neighbors"),
    )
    found = point.neighbors(search) if point else search()
    return found, f"{source.n_neighbors} per cell, found by {backend}, {source.metric}"


def open_checkpoint(
    folder: str | Path | None,
    settings: Settings,
    x: NDArray[np.float32],
    targets: Targets | None,
    random_state: int | np.random.Generator,
) -> Checkpoint | None:
    """The checkpoint of this call, which is recognized by its settings and its data; `None` without a folder."""
    if folder is None:
        return None
    data = {"cells": x.shape, "rows": digest(x), "labels": None if targets is None else digest(targets.values)}
    call = settings.plain() | {"network": str(settings.model), "random_state": random_state} | data
    return Checkpoint.open(folder, call | {"verbose": None})
