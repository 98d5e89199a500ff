"""The base class of data that are read on demand."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class IndexableDataset(Sequence):
    """Base class for data whose rows are read on demand, from any source.

    A subclass defines `shape`, ``__getitem__`` and ``__len__``. It can override :meth:`get_batch` if reading many rows
    at once is faster. scivis reads a dataset only through :meth:`get_batch`, in consecutive rows, each row once.

    Examples
    --------
    >>> class Squares(IndexableDataset):
    ...     shape = (1000, 2)
    ...
    ...     def __getitem__(self, idx):
    ...         return [idx, idx**2]
    ...
    ...     def __len__(self):
    ...         return 1000
    >>> Squares().get_batch([3, 5])
    array([[ 3,  9],
           [ 5, 25]])
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Number of rows, then the shape of one row."""

    @abstractmethod
    def __getitem__(self, idx: Any) -> Any:
        """Row `idx`, of shape ``shape[1:]``."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    def get_batch(self, idx_seq: Iterable[int]) -> NDArray[Any]:
        """The rows with these indices as one array, shape (rows, …)."""
        rows = [np.asarray(self[i]) for i in idx_seq]
        return np.stack(rows) if rows else np.empty((0, *self.shape[1:]))
