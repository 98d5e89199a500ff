"""Embeddings in `.obsm`, found by the names that users give them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .given import check_adata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

# How scanpy names embeddings: the second version, and its preview in 1.13, without `X_`.
_EMBEDDING = re.compile("X_.*|umap|tsne|diffmap|graph_.*")


def basis_keys(adata: AnnData, basis: str | Sequence[str] | None) -> list[str]:
    """Keys of embeddings in `.obsm`, each once; see :func:`find_keys`.

    The default is all matrices of two columns whose key begins with `X_`, or is one that scanpy gives to embeddings. Other keys
    hold scores or spatial coordinates.
    """
    if basis is None:
        basis = [key for key in adata.obsm if _EMBEDDING.fullmatch(key) and adata.obsm[key].shape[1:] == (2,)]
    return list(dict.fromkeys(find_keys(basis, sorted(adata.obsm), "adata.obsm")))


def find_keys(basis: str | Sequence[str], keys: list[str], place: str) -> list[str]:
    """Those keys of a place that are named, each with or without `X_`.

    Raises
    ------
    KeyError
        If an embedding is not there.
    ValueError
        If none is named.
    """
    if not isinstance(basis, str | Iterable):
        msg = (
            f"basis={basis!r} must be the name of an embedding or a list of names: keys of {place}, which holds {keys}."
        )
        raise ValueError(msg)
    found = []
    for name in [basis] if isinstance(basis, str) else basis:
        key = next((key for key in (name, f"X_{name}", str(name).removeprefix("X_")) if key in keys), None)
        if key is None:
            msg = f"basis={name!r} is not in {place}, which holds {keys}."
            raise KeyError(msg)
        found.append(key)
    if not found:
        msg = f"basis={basis!r} names no embedding. Name keys of {place}, which holds {keys}."
        raise ValueError(msg)
    return found


def plot_coordinates(adata: AnnData, basis: str | Sequence[str] | None) -> dict[str, NDArray[np.floating]]:
    """The first two axes of embeddings, shape (cells, 2), by key.

    Raises
    ------
    ValueError
        If an embedding has a single axis.
    """
    check_adata(adata)
    embeddings = {key: np.asarray(adata.obsm[key]) for key in basis_keys(adata, basis)}
    for key, xy in embeddings.items():
        if xy.ndim != 2 or xy.shape[1] < 2:
            msg = f"adata.obsm[{key!r}] has shape {xy.shape}, but a plot needs two axes."
            raise ValueError(msg)
    return {key: xy[:, :2] for key, xy in embeddings.items()}
