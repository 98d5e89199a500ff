"""Which matrix represents the cells, and which neighbor graph belongs to it, chosen before anything is read or computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from scivis._checks import is_integer
from scivis.data._blocks import in_memory
from scivis.neighbors import Metric

from .given import check_adata, expression_of
from .graph import check_graph, graph_metric, graph_source, has_graph
from .pca import default_n_pcs, pca_key

if TYPE_CHECKING:
    from anndata import AnnData

Kind = Literal["obsm", "X", "layer"]
_DEFAULT_GRAPH = "neighbors"


@dataclass(frozen=True)
class Choice:
    """Place of the matrix that represents the cells.

    Parameters
    ----------
    kind
        `obsm`, `X` or `layer`.
    key
        Key in `.obsm` or `.layers`; `X` for `.X`; `None` for a PCA that has to be computed.
    n_pcs
        Number of columns to use; `None` for all.
    is_reduced
        Whether it is read through principal components whatever its number of columns.
    """

    kind: Kind
    key: str | None
    n_pcs: int | None = None
    is_reduced: bool = False

    def __str__(self) -> str:
        """Name in messages."""
        columns = "" if self.n_pcs is None else f", the first {self.n_pcs} columns"
        if self.kind == "X":
            return "adata.X"
        if self.key is None:
            return "the PCA"
        return f"adata.{'layers' if self.kind == 'layer' else 'obsm'}[{self.key!r}]{columns}"

    def keys_read(self, neighbors_key: str | None = None) -> tuple[str, ...]:
        """Keys of the representation and of the graph that a tool reads, which its results must not replace."""
        return (*(("X_pca", "pca") if self.key is None else (self.key,)), neighbors_key or _DEFAULT_GRAPH)

    def is_same(self, other: Choice, adata: AnnData) -> bool:
        """Whether both are the same columns of the same matrix."""
        return (self.kind, self.key, self._width(adata)) == (other.kind, other.key, other._width(adata))

    def _width(self, adata: AnnData) -> int | None:
        is_all = self.n_pcs is None and self.kind == "obsm" and self.key in adata.obsm
        return adata.obsm[self.key].shape[-1] if is_all else self.n_pcs


def choose(
    adata: AnnData,
    *,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    neighbors_key: str | None = None,
) -> Choice:
    """The matrix that `use_rep`, `n_pcs` and `layer` name, or the one that the neighbor graph was computed from.

    Without a graph, the default is that of scanpy: `.X` for at most 50 genes or `n_pcs=0`, and the PCA otherwise.

    Raises
    ------
    KeyError
        If nothing is named, and the representation of the graph does not exist.
    TypeError
        If `adata` is no AnnData object, or `use_rep` no name.
    ValueError
        If arguments contradict each other.
    """
    check_adata(adata)
    if not isinstance(use_rep, str | None):
        msg = f"use_rep of type {type(use_rep).__name__} must be a name: X, or a key of adata.obsm."
        raise TypeError(msg)
    if n_pcs is not None and (not is_integer(n_pcs) or n_pcs < 0):
        msg = f"n_pcs={n_pcs!r} must be an integer: the number of columns to use, or 0 for adata.X."
        raise ValueError(msg)
    if layer is not None:
        if use_rep is not None or n_pcs is not None:
            msg = f"layer={layer!r} is a representation by itself: leave out use_rep and n_pcs, or leave out layer."
            raise ValueError(msg)
        return Choice("layer", layer)
    if use_rep is None and n_pcs is None:
        return _graph_choice(adata, neighbors_key or _DEFAULT_GRAPH)
    return _named(adata, use_rep, n_pcs)


def _graph_choice(adata: AnnData, key: str) -> Choice:
    """The representation of a graph, which must exist; scanpy's default if there is no graph."""
    choice = _source(adata, key)
    if choice.kind == "obsm" and choice.key not in (None, *adata.obsm):
        msg = (
            f"The graph {key!r} was computed from {choice}, which does not exist. adata.obsm holds {sorted(adata.obsm)}: "
            "name one of them with use_rep."
        )
        raise KeyError(msg)
    return choice


def _source(adata: AnnData, key: str) -> Choice:
    """The representation that a graph was computed from, as `sc.pp.neighbors` records it."""
    use_rep, n_pcs = graph_source(adata, key)
    # scanpy ignores the number of components where it uses `.X`.
    is_x = use_rep == "X" or (use_rep is None and _is_narrow(adata))
    return _named(adata, use_rep, None if is_x else n_pcs)


def _named(adata: AnnData, use_rep: str | None, n_pcs: int | None) -> Choice:
    if use_rep == "X" or (use_rep is None and (n_pcs == 0 or (n_pcs is None and _is_narrow(adata)))):
        if use_rep == "X" and n_pcs:
            msg = f"use_rep='X' reads all genes: leave out n_pcs={n_pcs}."
            raise ValueError(msg)
        return Choice("X", "X")
    key = use_rep if use_rep is not None else pca_key(adata)
    x = expression_of(adata)
    if key is None and n_pcs is None and x is not None and not in_memory(x):
        return Choice("X", "X", is_reduced=True)
    return Choice("obsm", key, n_pcs)


def _is_narrow(adata: AnnData) -> bool:
    """Whether the cells have so few genes that scanpy reads `.X`. A PCA without expression is read itself."""
    return adata.n_vars <= default_n_pcs() and (expression_of(adata) is not None or pca_key(adata) is None)


def choose_graph(adata: AnnData, choice: Choice, neighbors_key: str | None) -> str:
    """Key of the neighbor graph to use: the one that is named, or that of `sc.pp.neighbors`; empty if there is none.

    A graph that was computed from another representation is used only if it is named, and then with a warning.
    """
    from scanpy import logging as logg

    if neighbors_key is not None:
        check_graph(adata, neighbors_key)
    elif not has_graph(adata):
        return ""
    key = neighbors_key or _DEFAULT_GRAPH
    source = _source(adata, key)
    if choice.is_same(source, adata):
        return key
    what = f"The graph {key!r} was computed from {source}, but the cells are represented by {choice}"
    if neighbors_key is None:
        logg.info(f"    {what}: searching neighbors")
        return ""
    logg.warning(f"    {what}. The graph is used because it is named")
    return key


def search_metric(adata: AnnData, choice: Choice) -> Metric:
    """The metric of a neighbor search: that of the graph of the same representation if searches know it, or Euclidean."""
    if has_graph(adata) and choice.is_same(_source(adata, _DEFAULT_GRAPH), adata):
        known: tuple[Metric, ...] = get_args(Metric)
        return next((metric for metric in known if metric == graph_metric(adata, _DEFAULT_GRAPH)), "euclidean")
    return "euclidean"
