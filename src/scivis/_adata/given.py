"""What the public functions are given: whether it is an AnnData object, and whether it holds expression."""

from __future__ import annotations

from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anndata import AnnData


def check_adata(value: object, name: str = "adata") -> None:
    """Raise `TypeError` unless an argument is an AnnData object, and say how to come by one.

    Examples
    --------
    >>> check_adata("cells.h5ad")
    Traceback (most recent call last):
      ...
    TypeError: adata='cells.h5ad' of type str must be an AnnData object. Read a file with anndata.read_h5ad, make one of an...
    """
    from anndata import AnnData

    if not isinstance(value, AnnData):
        shown = f"={shortened(value)}" if isinstance(value, str | int | None) else ""
        msg = (
            f"{name}{shown} of type {type(value).__name__} must be an AnnData object. Read a file with anndata.read_h5ad, make "
            "one of an array with anndata.AnnData, or take one modality of MuData or one table of SpatialData."
        )
        raise TypeError(msg)


def expression_of(adata: AnnData) -> Any | None:
    """`.X`, or `None` if there is none, for which anndata raises `KeyError` if the object is backed by a file."""
    try:
        return adata.X
    except KeyError:
        return None
