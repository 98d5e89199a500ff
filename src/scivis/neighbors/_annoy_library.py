"""Where Annoy comes from: the package of that name, or the copy in openTSNE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annoy import AnnoyIndex


def new_index(n_features: int, metric: Any) -> AnnoyIndex:
    """An empty Annoy index.

    The package `annoy` is distributed as source code only, so that its installation needs a C++ compiler. Without it, the
    index is that of openTSNE, whose wheels contain Annoy. Both read each other's files.

    Raises
    ------
    ImportError
        If neither is there.
    """
    try:
        from annoy import AnnoyIndex
    except ImportError:
        return _index_of_opentsne(n_features, metric)
    return AnnoyIndex(n_features, metric)


def _index_of_opentsne(n_features: int, metric: Any) -> AnnoyIndex:
    try:
        from openTSNE.dependencies.annoy import AnnoyIndex
    except ImportError as error:
        msg = (
            "Annoy is not installed. Install it by `pip install annoy`, which needs a C++ compiler, or by "
            "`conda install -c conda-forge python-annoy`; or search neighbors by another method, such as backend='ivf'."
        )
        raise ImportError(msg) from error
    return AnnoyIndex(n_features, metric)
