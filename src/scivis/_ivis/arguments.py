"""What the arguments of :func:`scivis.tl.ivis` amount to: settings, labels, cells to train on, a graph or a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._adata.graph import check_graph, has_graph
from scivis._adata.labels import Labels, read_labels
from scivis._checks import check_copy, check_positive_int, check_seed, given_settings, is_whole
from scivis.neighbors._search import check_n_neighbors, check_search

if TYPE_CHECKING:
    from anndata import AnnData

# Up to here all cells are trained on, of more a sample. At the border the sample costs half the time and keeps a tenth fewer
# neighbours (benchmarks/huge.py).
_ALL_UP_TO, _SAMPLE = 150_000, 100_000


def check_arguments(
    adata: AnnData,
    n_components: int,
    epochs: int | None,
    patience: int | None,
    max_train_cells: int | str | None,
    random_state: Any,
    *,
    copy: bool,
) -> None:
    """Refuse what cannot be used, whatever the data."""
    check_positive_int("n_components", n_components)
    check_seed(random_state)
    most = None if max_train_cells == "auto" else max_train_cells
    for name, value in (("epochs", epochs), ("patience", patience), ("max_train_cells", most)):
        if value is not None:
            check_positive_int(name, value)
    check_copy(adata, copy=copy)


def train_size(n_cells: int, max_train_cells: int | str | None) -> int:
    """How many cells to train on."""
    if max_train_cells == "auto":
        return _SAMPLE if n_cells > _ALL_UP_TO else n_cells
    return n_cells if max_train_cells is None else min(n_cells, int(max_train_cells))


def check_files(backend: str | None, index_path: Any, checkpoint: Any, random_state: Any) -> None:
    """Refuse files that the call could not use."""
    if index_path is not None and backend != "annoy":
        msg = f"annoy_index_path={str(index_path)!r} is for backend='annoy', but backend is {backend!r}."
        raise ValueError(msg)
    if checkpoint is not None and not is_whole(random_state):
        msg = f"checkpoint={str(checkpoint)!r} needs a whole number as random_state, by which the call can be repeated."
        raise ValueError(msg)


def choose_labels(adata: AnnData, key: str | None, metric: str | None, unlabeled_category: str | None) -> Labels | None:
    """The labels asked for, checked."""
    from scivis.nn.supervision import check_metric, make_targets

    useless = list(given_settings(supervision_metric=metric, unlabeled_category=unlabeled_category))
    if key is None and useless:
        msg = f"{useless} say how to learn labels, but there are none: name them with labels=."
        raise ValueError(msg)
    if key is None:
        return None
    if metric is not None:
        check_metric(metric)
    labels = read_labels(adata, key, metric, unlabeled_category)
    make_targets(labels.values, labels.metric, adata.n_obs)
    return labels


def is_search(
    adata: AnnData, neighbors_key: str | None, n_neighbors: int | None, backend: str | None, metric: str | None, k: int
) -> bool:
    """Whether neighbours are searched: on request, or because there is no graph to reuse."""
    asked = given_settings(n_neighbors=n_neighbors, backend=backend, metric=metric)
    check_search(backend or "auto", metric or "euclidean")
    if neighbors_key is not None and asked:
        msg = f"neighbors_key={neighbors_key!r} reuses a graph, {asked} asks for a search: leave one of them out."
        raise ValueError(msg)
    if not asked and (neighbors_key is not None or has_graph(adata)):
        check_graph(adata, neighbors_key)
        return False
    check_n_neighbors(k, adata.n_obs)
    return True
