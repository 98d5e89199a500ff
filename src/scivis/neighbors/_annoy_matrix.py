"""Neighbors from an Annoy index, searched on demand or for all rows in advance."""

from __future__ import annotations

from copy import copy
from math import prod
from operator import index as as_int
from typing import TYPE_CHECKING, Any, Self

from scivis._checks import is_integer
from scivis._progress import progress_bar
from scivis.data._reading import shape_of

from ._annoy_file import build_annoy_index, build_from_rows, load_index
from ._annoy_index import NeighborArrays, query_neighbors
from ._annoy_stored import StoredIndex, TemporaryIndexFile
from ._matrix import NeighbourMatrix
from ._search import check_n_neighbors

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from annoy import AnnoyIndex

    from ._annoy_file import AnnoyMetric
    from ._annoy_index import Found

    Row = list[int] | Found


class AnnoyKnnMatrix(NeighbourMatrix):
    """The nearest neighbors of each row by an Annoy index, searched on demand or for all rows in advance.

    Row `i` is the list of the indices of about `k` rows, nearest first, without `i` itself. Annoy can find fewer than
    `k`. Matrices are usually made by :meth:`build` or :meth:`load`.

    Pickles and copies refer to the index file if the caller named one. Otherwise they contain the whole index.

    Parameters
    ----------
    index
        A built `annoy.AnnoyIndex`.
    nrows
        Number of rows of the data that it was built from.
    index_path
        Path of its file, if it has one.
    metric
        Distance with which it was built.
    k
        Number of neighbors per row, below `nrows`.
    search_k
        Number of nodes to inspect per row. More nodes find more of the true neighbors, but take more time. Default: −1,
        `trees × k`.
    precompute
        Whether to search the neighbors of all rows at once and keep them. This is faster if each row is read several
        times, and takes `4 × nrows × k` bytes.
    include_distances
        Whether a row is a pair of lists: indices and distances.
    verbose
        Whether to show a progress bar while all rows are searched: 0 does not.
    n_jobs
        Number of threads that search several rows. Default: −1, all cores.

    Raises
    ------
    ValueError
        If the index holds another number of rows, or `k` or `metric` is not possible.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]])
    >>> matrix = AnnoyKnnMatrix.build(x, k=2, metric="euclidean", verbose=0, random_state=0)
    >>> matrix[1], matrix[2:], len(matrix)
    ([0, 2], [[1, 0], [2, 1]], 4)
    """

    def __init__(
        self,
        index: AnnoyIndex,
        nrows: int,
        index_path: str | os.PathLike[str] | None = None,
        metric: AnnoyMetric = "angular",
        k: int = 150,
        search_k: int = -1,
        *,
        precompute: bool = False,
        include_distances: bool = False,
        verbose: int = 0,
        n_jobs: int = -1,
    ) -> None:
        _check_query(k, nrows, search_k)
        self._stored = StoredIndex(index, nrows, metric, index_path)
        self.nrows, self.metric, self.k, self.search_k = nrows, metric, k, search_k
        self.precompute, self.include_distances = precompute, include_distances
        self.verbose, self.n_jobs = verbose, n_jobs
        self._precomputed: NeighborArrays | None = None
        if precompute:
            self._precomputed = NeighborArrays(self._query_all(n_jobs), nrows, k, with_distances=include_distances)

    @classmethod
    def build(  # noqa: PLR0913 (the parameters of ivis, which scripts pass by name)
        cls,
        X: Any,  # noqa: N803 (scikit-learn's name)
        path: str | os.PathLike[str] | None = None,
        k: int = 150,
        metric: AnnoyMetric = "angular",
        search_k: int = -1,
        *,
        include_distances: bool = False,
        ntrees: int = 50,
        build_index_on_disk: bool = True,
        precompute: bool = False,
        verbose: int = 1,
        n_jobs: int = -1,
        random_state: int | None = None,
    ) -> Self:
        """Build an index of the rows of `X`, and a matrix that uses it.

        Parameters
        ----------
        X, metric, ntrees, verbose, random_state
            As for :func:`build_annoy_index`.
        path
            Path of a file for the index, which is kept. By default, the index is written to a new temporary file, which
            is removed with this object, or stays in memory if `build_index_on_disk` is false.
        build_index_on_disk
            Whether to build the index in its file rather than in memory.
        k, search_k, include_distances, precompute
            As for the class.
        n_jobs
            Number of threads that build trees and search neighbors. Default: −1, all cores.
        """
        n_rows = shape_of(X)[0]
        _check_query(k, n_rows, search_k)
        temporary = TemporaryIndexFile() if path is None and build_index_on_disk else None
        file = temporary.path if temporary else path
        if file is None:
            index = build_from_rows(X, metric, ntrees, verbose, n_jobs, random_state)
        else:
            options: dict[str, Any] = {"verbose": verbose, "n_jobs": n_jobs, "random_state": random_state}
            index = build_annoy_index(X, file, metric, ntrees, build_index_on_disk=build_index_on_disk, **options)
        settings = {"precompute": precompute, "include_distances": include_distances}
        matrix = cls(index, n_rows, file, metric, k, search_k, **settings, verbose=verbose, n_jobs=n_jobs)
        matrix._stored.temporary = temporary
        return matrix

    @classmethod
    def load(
        cls,
        index_path: str | os.PathLike[str],
        data_shape: tuple[int, ...],
        k: int = 150,
        metric: AnnoyMetric = "angular",
        search_k: int = -1,
        *,
        include_distances: bool = False,
        precompute: bool = False,
        verbose: int = 1,
        n_jobs: int = -1,
    ) -> Self:
        """A matrix that uses the index in a file. The file is kept when the object is deleted.

        Parameters
        ----------
        index_path
            Path of a file that :meth:`build`, :meth:`save` or Annoy wrote. The file does not store the metric; a wrong
            one is detected only if its index would have rows of another size.
        data_shape
            Shape of the data from which the index was built.
        k, metric, search_k, include_distances, precompute, verbose, n_jobs
            As for the class.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        ValueError
            If it is not an index, or one of data of another shape.
        """
        n_rows, *width = data_shape
        _check_query(k, n_rows, search_k)
        index = load_index(index_path, n_rows, prod(width), metric)
        settings = {"precompute": precompute, "include_distances": include_distances}
        return cls(index, n_rows, index_path, metric, k, search_k, **settings, verbose=verbose, n_jobs=n_jobs)

    # ivis has an attribute of this name; the method `index` of sequences is of no use here.
    @property
    def index(self) -> AnnoyIndex | None:  # type: ignore[override]
        """The Annoy index; `None` after :meth:`unload`."""
        return self._stored.index

    @property
    def index_path(self) -> str | os.PathLike[str] | None:
        """Path of the index file, or `None`."""
        return self._stored.path

    def __len__(self) -> int:
        return self.nrows

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.get_batch(range(self.nrows)[idx])
        return self.get_batch([idx])[0]

    def get_batch(self, idx_seq: Iterable[int]) -> list[Row]:
        """The neighbors of the rows with these indices."""
        rows = [range(self.nrows)[as_int(i)] for i in idx_seq]  # negative indices count from the end
        return self._as_rows(self._query(rows, self.n_jobs))

    def get_neighbour_indices(self, n_jobs: int = -1) -> list[Row]:
        """The neighbors of all rows, searched by `n_jobs` threads; −1 uses all cores."""
        return self._as_rows(self._query_all(n_jobs))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to another file, as a whole or not at all. The matrix continues to use its own file."""
        self._stored.save(path)

    def unload(self) -> None:
        """Close the index, so that other processes can write its file. Precomputed rows can still be read."""
        self._stored.close()

    def delete_index(self, parent: bool = False) -> None:  # noqa: FBT001, FBT002 (as in ivis)
        """Close the index and delete its file, even one that the caller named; if `parent` is true, its folder, too.

        Raises
        ------
        OSError
            If the folder holds other files. Nothing is deleted then.
        """
        self._stored.delete(parent=parent)

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _stored=copy(self._stored))
        return other

    def _query(self, rows: Sequence[int], n_jobs: int) -> Iterator[Found]:
        if self._precomputed is not None:
            return map(self._precomputed.__getitem__, rows)
        return query_neighbors(self._stored.opened(), rows, self.k, self.search_k, n_jobs)

    def _query_all(self, n_jobs: int) -> Iterator[Found]:
        found, is_silent = self._query(range(self.nrows), n_jobs), not self.verbose or self._precomputed is not None
        return iter(progress_bar(found, desc="neighbors", unit="row", total=self.nrows, disable=is_silent))

    def _as_rows(self, found: Iterable[Found]) -> list[Row]:
        return list(found) if self.include_distances else [indices for indices, _ in found]


def _check_query(k: int, n_rows: int, search_k: int) -> None:
    check_n_neighbors(k, n_rows, "k")
    if not is_integer(search_k) or (search_k < 1 and search_k != -1):
        msg = f"search_k={search_k!r} must be an integer of at least 1, or -1 for trees × k."
        raise ValueError(msg)
