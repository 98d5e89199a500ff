"""Neighbours that Annoy looks up when they are asked for, or once for all rows."""

from __future__ import annotations

from math import prod
from operator import index as as_int
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scivis._checks import is_integer
from scivis.data._reading import shape_of

from ._annoy import nearest_of
from ._annoy_file import OwnFile, build, build_annoy_index, check_metric, check_size, load_index, save_index
from ._matrix import NeighbourMatrix

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from annoy import AnnoyIndex

    from ._annoy_file import AnnoyMetric

    Found = tuple[list[int], list[float]]
    Row = list[int] | Found


class AnnoyKnnMatrix(NeighbourMatrix):
    """The nearest neighbours of each row by an Annoy index: looked up when asked for, or all in advance.

    Row `i` is the list of about `k` row numbers, nearest first, never `i` itself; Annoy may find fewer than `k`.
    Usually made by :meth:`build` or :meth:`load`.

    Pickles and copies name the file they were loaded from or written to, if the caller gave it, and carry the whole
    index otherwise.

    Parameters
    ----------
    index
        A built `annoy.AnnoyIndex`.
    nrows
        Rows of the data it was built on.
    index_path
        Its file, if it has one.
    metric
        The distance it was built with.
    k
        Neighbours per row, below `nrows`.
    search_k
        Nodes inspected per row: more find more true neighbours, slower. −1 stands for `trees × k`.
    precompute
        Look up all rows now and keep them: faster when each is read many times, for `4 × nrows × k` bytes.
    include_distances
        Whether a row is a pair of lists, row numbers and distances.
    verbose
        Above 0, looking up all rows shows a progress bar.
    n_jobs
        Threads that look up a batch; −1 takes all cores.

    Attributes
    ----------
    index
        The Annoy index; `None` once unloaded.

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
        _check(k, nrows, search_k, metric)
        check_size(index, nrows)
        # As ivis calls it; nobody misses `Sequence.index`.
        self.index: AnnoyIndex | None = index  # type: ignore[assignment]
        self.nrows, self.index_path, self.metric, self.k, self.search_k = nrows, index_path, metric, k, search_k
        self.precompute, self.include_distances = precompute, include_distances
        self.verbose, self.n_jobs = verbose, n_jobs
        self._n_features = index.f
        self._own_file: OwnFile | None = None
        self._table: _Table | None = None
        if precompute:
            self._table = _Table(nrows, k, with_distances=include_distances).fill(self._look_up_all(n_jobs))

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
        """Build an index of the rows of `X`, and the matrix on top of it.

        Parameters
        ----------
        X, metric, ntrees, verbose, random_state
            As for :func:`build_annoy_index`.
        path
            File to write, which then stays. Without one the index goes to a new temporary file, which is removed with
            this object, or stays in memory if `build_index_on_disk` is off.
        build_index_on_disk
            Whether the index is built in its file rather than in memory.
        k, search_k, include_distances, precompute
            As for the class.
        n_jobs
            Threads that build trees and look up rows; −1 takes all cores.
        """
        n_rows = shape_of(X)[0]
        _check(k, n_rows, search_k, metric)
        own = OwnFile() if path is None and build_index_on_disk else None
        file = path if own is None else own.path
        if file is None:
            index = build(X, metric, ntrees, verbose, n_jobs, random_state)
        else:
            index = build_annoy_index(
                X,
                file,
                metric,
                ntrees,
                build_index_on_disk=build_index_on_disk,
                verbose=verbose,
                n_jobs=n_jobs,
                random_state=random_state,
            )
        matrix = cls(
            index,
            n_rows,
            file,
            metric,
            k,
            search_k,
            precompute=precompute,
            include_distances=include_distances,
            verbose=verbose,
            n_jobs=n_jobs,
        )
        matrix._own_file = own
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
        """The matrix of an index file, which stays when the object goes.

        Parameters
        ----------
        index_path
            File that :meth:`build`, :meth:`save` or Annoy wrote. It does not say with which metric; a wrong one is
            noticed only where it gives rows of another size.
        data_shape
            Shape of the data that it was built on.
        k, metric, search_k, include_distances, precompute, verbose, n_jobs
            As for the class.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no index, or one of data of another shape.
        """
        _check(k, data_shape[0], search_k, metric)
        index = load_index(index_path, data_shape[0], prod(data_shape[1:]), metric)
        return cls(
            index,
            data_shape[0],
            index_path,
            metric,
            k,
            search_k,
            precompute=precompute,
            include_distances=include_distances,
            verbose=verbose,
            n_jobs=n_jobs,
        )

    def __len__(self) -> int:
        return self.nrows

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.get_batch(range(self.nrows)[idx])
        return self.get_batch([idx])[0]

    def get_batch(self, idx_seq: Iterable[int]) -> list[Row]:
        """The rows of these numbers, looked up together."""
        rows = [range(self.nrows)[as_int(i)] for i in idx_seq]  # negative ones count from the end
        found = (self._table[i] for i in rows) if self._table is not None else self._look_up(rows, self.n_jobs)
        return self._as_rows(found)

    def get_neighbour_indices(self, n_jobs: int = -1) -> list[Row]:
        """All rows, looked up by so many threads; −1 takes all cores."""
        found = (
            map(self._table.__getitem__, range(self.nrows)) if self._table is not None else self._look_up_all(n_jobs)
        )
        return self._as_rows(found)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file, whole or not at all; the object keeps the file it has."""
        save_index(self._opened(), self.index_path, path)

    def unload(self) -> None:
        """Close the index, so that others can write its file. Only what was precomputed can be read afterwards."""
        if self.index is not None:
            self.index.unload()
        self.index = None

    def delete_index(self, parent: bool = False) -> None:  # noqa: FBT001, FBT002 (as ivis calls it)
        """Close the index and delete its file, whoever gave the path; with `parent`, its folder too.

        Raises
        ------
        OSError
            If the folder holds anything else. Nothing is deleted then.
        """
        file = None if self.index_path is None else Path(self.index_path)
        if file is None or not file.parent.is_dir():
            self.unload()
            return
        if parent and any(other != file for other in file.parent.iterdir()):
            msg = f"{file.parent} holds other files than the index {file.name}; delete_index(parent=True) would lose them."
            raise OSError(msg)
        self.unload()
        file.unlink(missing_ok=True)
        if parent:
            file.parent.rmdir()
        self._own_file = None

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"index": None, "_own_file": None}
        return state | {"loaded": self.index is not None, "content": self._content()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        loaded, content = state.pop("loaded"), state.pop("content")
        self.__dict__.update(state)
        if content is not None:
            self._own_file = OwnFile()
            self._own_file.path.write_bytes(content)
            self.index_path = self._own_file.path
        if loaded:
            self.index = load_index(str(self.index_path), self.nrows, self._n_features, self.metric)

    def _content(self) -> bytes | None:
        """The index as bytes, unless it lies in a file of the caller's or is gone."""
        if self._own_file is not None and self._own_file.path.exists():
            return self._own_file.path.read_bytes()
        if self.index_path is not None or self.index is None:
            return None
        file = OwnFile()
        self.save(file.path)
        return file.path.read_bytes()

    def _opened(self) -> AnnoyIndex:
        if self.index is None:
            msg = "The index was unloaded. Load it again with AnnoyKnnMatrix.load, or build a new one."
            raise RuntimeError(msg)
        return self.index

    def _look_up(self, rows: Sequence[int], n_jobs: int) -> Iterator[Found]:
        return nearest_of(self._opened(), rows, self.k, self.search_k, n_jobs)

    def _look_up_all(self, n_jobs: int) -> Iterator[Found]:
        from tqdm.auto import tqdm

        found = self._look_up(range(self.nrows), n_jobs)
        return iter(tqdm(found, desc="neighbours", unit="row", total=self.nrows, disable=not self.verbose))

    def _as_rows(self, found: Iterable[Found]) -> list[Row]:
        return list(found) if self.include_distances else [rows for rows, _ in found]


class _Table:
    """All rows in advance, as arrays: lists of Python's numbers would take nine times the memory."""

    def __init__(self, n_rows: int, k: int, *, with_distances: bool) -> None:
        self.counts = np.zeros(n_rows, np.int32)
        self.indices = np.full((n_rows, k), -1, np.int32)
        self.distances = np.zeros((n_rows, k if with_distances else 0), np.float32)

    def fill(self, found: Iterable[Found]) -> Self:
        for i, (rows, distances) in enumerate(found):
            self.counts[i] = len(rows)
            self.indices[i, : len(rows)] = rows
            if self.distances.size:
                self.distances[i, : len(rows)] = distances
        return self

    def __getitem__(self, row: int) -> Found:
        count = self.counts[row]
        return self.indices[row, :count].tolist(), self.distances[row, :count].tolist()


def _check(k: int, n_rows: int, search_k: int, metric: str) -> None:
    """Refuse, before any work, what the rows cannot give."""
    check_metric(metric)
    if not is_integer(k) or not 1 <= k < n_rows:
        msg = f"k={k!r} must lie between 1 and {n_rows - 1}, one less than the {n_rows} rows."
        raise ValueError(msg)
    if not is_integer(search_k) or (search_k < 1 and search_k != -1):
        msg = f"search_k={search_k!r} must be a whole number of at least 1, or -1 for trees × k."
        raise ValueError(msg)
