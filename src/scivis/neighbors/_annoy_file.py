"""Annoy's index files: written whole or not at all, and checked when they come back."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from scivis._checks import check_positive_int, is_integer
from scivis._store.files import replacing
from scivis.data._reading import iter_rows, shape_of

from ._annoy import build_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from annoy import AnnoyIndex
    from numpy.typing import NDArray

AnnoyMetric = Literal["angular", "euclidean", "manhattan", "hamming", "dot"]


def build_annoy_index(
    X: Any,  # noqa: N803 (scikit-learn's name)
    path: str | os.PathLike[str],
    metric: AnnoyMetric = "angular",
    ntrees: int = 50,
    *,
    build_index_on_disk: bool = True,
    verbose: int = 1,
    n_jobs: int = -1,
    random_state: int | None = None,
) -> AnnoyIndex:
    """Build an Annoy index of the rows of `X` and store it in a file.

    The file appears when it is complete. If one of that name exists it is replaced, and whoever has the old one open
    keeps it.

    Parameters
    ----------
    X
        Rows × features: whatever :class:`scivis.Ivis` can be fitted on. Read once, block by block; rows of more than
        one axis are flattened.
    path
        File to write.
    metric
        Annoy's distance: `angular` is √(2 (1 − cosine)), `dot` is largest for the nearest, and `hamming` counts
        differing features after each was compared with 0.5.
    ntrees
        Trees of the forest. More find more true neighbours and take more time and space.
    build_index_on_disk
        Write to disk from the first row on, so that the index never is in memory as a whole. If not, it is built in
        memory, which is faster on slow disks, and written afterwards.
    verbose
        0 is silent, above that shows a progress bar.
    n_jobs
        Threads that build trees; −1 takes all cores.
    random_state
        Seed of the forest. With one, a single thread builds, or equal seeds would not give equal forests.

    Returns
    -------
    The index, opened from the file.

    Raises
    ------
    ValueError
        If an argument is unknown or out of range, or `X` holds NaN or infinite values.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     index = build_annoy_index(x, f"{folder}/x.annoy", "euclidean", ntrees=2, verbose=0)
    ...     index.get_nns_by_item(0, 3)
    [0, 1, 2]
    """
    with replacing(path) as unfinished:
        index = build(
            X, metric, ntrees, verbose, n_jobs, random_state, path=unfinished if build_index_on_disk else None
        )
        if not build_index_on_disk:
            index.save(str(unfinished))
        index.unload()  # an open file cannot be renamed everywhere
    index.load(str(path))
    return index


def build(
    x: Any, metric: str, n_trees: int, verbose: int, n_jobs: int, random_state: int | None, path: Path | None = None
) -> AnnoyIndex:
    """An index of anything that has rows, in memory or in a new file."""
    check_metric(metric)
    check_positive_int("ntrees", n_trees)
    if random_state is not None and not (is_integer(random_state) and 0 <= random_state < 2**31):
        msg = f"random_state={random_state!r} must be a whole number of at least 0 and below 2³¹, or None."
        raise ValueError(msg)
    return build_index(
        _flat_blocks(x, verbose),
        prod(shape_of(x)[1:]),
        metric=metric,
        n_trees=n_trees,
        random_state=random_state,
        n_jobs=n_jobs,
        path=path,
    )


def _flat_blocks(x: Any, verbose: int) -> Iterator[NDArray[np.float32]]:
    from tqdm.auto import tqdm

    with tqdm(total=shape_of(x)[0], desc="indexing", unit="row", disable=not verbose) as bar:
        for block in iter_rows(x, "X"):
            yield block.reshape(len(block), -1)
            bar.update(len(block))


def save_index(index: AnnoyIndex, own_path: str | os.PathLike[str] | None, path: str | os.PathLike[str]) -> None:
    """Write an index, whole or not at all: a copy of its file, if it has one."""
    with replacing(path) as unfinished:
        if own_path is not None:
            shutil.copyfile(own_path, unfinished)
            return
        index.save(str(unfinished))
        if not unfinished.exists():  # Annoy says that it has saved
            msg = "Annoy cannot save an index that it built on disk; give its file as index_path."
            raise ValueError(msg)


class OwnFile:
    """A path for a new file in a temporary folder, which is removed with this object or when the process ends."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="scivis-")
        self.path = Path(folder, "annoy.index")
        self.remove = weakref.finalize(self, _discard, folder, os.getpid())


def _discard(folder: str, process: int) -> None:
    if os.getpid() == process:  # a forked process leaves the file to its parent
        shutil.rmtree(folder, ignore_errors=True)


def load_index(path: str | os.PathLike[str], n_rows: int, n_features: int, metric: str) -> AnnoyIndex:
    """An index out of a file, which must be one of so many rows."""
    from annoy import AnnoyIndex

    check_metric(metric)
    if not Path(path).is_file():
        msg = f"There is no index file {path}."
        raise FileNotFoundError(msg)
    index = AnnoyIndex(n_features, metric)  # type: ignore[arg-type]  # checked
    try:
        index.load(str(path))
    except OSError as error:
        msg = f"{path} is no Annoy index of {n_features} features and metric {metric!r}: {error}"
        raise ValueError(msg) from error
    check_size(index, n_rows)
    return index


def index_in(path: Path, x: Any, metric: Any, n_trees: int, random_state: int) -> AnnoyIndex:
    """The index in this file; it is built there, from the first row on, if there is none."""
    if not path.exists():
        build_annoy_index(x, path, metric, n_trees, verbose=0, random_state=random_state)
    return load_index(path, x.shape[0], x.shape[1], metric)


def check_size(index: AnnoyIndex, n_rows: int) -> None:
    """Refuse an index of other data."""
    if index.get_n_items() != n_rows:
        msg = f"The index holds {index.get_n_items()} rows, but the data have {n_rows}: an index of other data?"
        raise ValueError(msg)


def check_metric(metric: str) -> None:
    """Refuse a distance that Annoy does not know."""
    if metric not in get_args(AnnoyMetric):
        msg = f"metric={metric!r} is not one of {get_args(AnnoyMetric)}."
        raise ValueError(msg)
