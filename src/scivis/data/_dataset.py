"""The base class of data that are read when they are needed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class IndexableDataset(Sequence):
    """Base class for data that are read row by row when they are needed, from wherever they are.

    A subclass gives `shape`, ``__getitem__`` and ``__len__``. It may give :meth:`get_batch` where many rows are read
    faster together; scivis reads a dataset through :meth:`get_batch` alone, consecutive rows, each once.

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
        """These rows as one array, shape (rows, …)."""
        rows = [np.asarray(self[i]) for i in idx_seq]
        return np.stack(rows) if rows else np.empty((0, *self.shape[1:]))
