"""Files of Annoy indices: written as a whole or not at all, and validated when they are loaded."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from scivis._checks import check_choice, check_positive_int, is_integer
from scivis._progress import progress_bar
from scivis._store.files import replacing
from scivis._store.space import check_space
from scivis.data._reading import iter_rows, shape_of

from ._annoy_index import build_index, estimate_size
from ._annoy_library import new_index

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import numpy as np
    from annoy import AnnoyIndex
    from numpy.typing import NDArray

_REMEDY = "Choose a larger disk, by the path of the index or, for a temporary file, by TMPDIR; or take fewer trees."
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
    """Build an Annoy index of the rows of `X` and write it to a file.

    The file appears when it is complete. An existing file is replaced; processes that have it open keep the old one.

    Parameters
    ----------
    X
        Rows × features: any data that :class:`scivis.Ivis` can be fitted on. They are read once, block by block. Rows
        of more than one axis are flattened.
    path
        Path of the file.
    metric
        Distance of Annoy: `angular` is √(2 (1 − cosine)), `dot` is the dot product, which is largest for the nearest
        rows, and `hamming` counts the features of which one is above 0.5 and the other is not.
    ntrees
        Number of trees. More trees find more of the true neighbors, but take more time and space.
    build_index_on_disk
        Whether to build the index in the file, so that it is never in memory as a whole. Otherwise it is built in
        memory, which is faster on slow disks, and written afterwards.
    verbose
        Whether to show a progress bar: 0 does not.
    n_jobs
        Number of threads that build trees. Default: −1, all cores.
    random_state
        Seed of the trees. With a seed, a single thread builds them, so that the same seed gives the same index.

    Returns
    -------
    The index, opened from the file.

    Raises
    ------
    ValueError
        If an argument is unknown or out of range, or `X` holds NaN or infinite values.
    OSError
        If the disk is too small for the index, which is known before it is built, or the file cannot be written.

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
        file = unfinished if build_index_on_disk else None
        index = build_from_rows(X, metric, ntrees, verbose, n_jobs, random_state, file)
        if not build_index_on_disk:
            index.save(str(unfinished))
        index.unload()  # some systems cannot rename an open file
    index.load(str(path))
    return index


def build_from_rows(
    x: Any, metric: str, n_trees: int, verbose: int, n_jobs: int, random_state: int | None, path: Path | None = None
) -> AnnoyIndex:
    """An index of the rows of any source that :func:`scivis.data._reading.iter_rows` reads, in memory or in a new file."""
    check_metric(metric)
    check_positive_int("ntrees", n_trees)
    if random_state is not None and not (is_integer(random_state) and 0 <= random_state < 2**31):
        msg = f"random_state={random_state!r} must be an integer of at least 0 and below 2³¹, or None."
        raise ValueError(msg)
    n_rows, *row = shape_of(x)
    if path is not None:  # Annoy writes through a memory map: on a full disk, the system would end the process
        check_space(path, estimate_size(n_rows, prod(row), metric, n_trees), "The Annoy index", _REMEDY)
    return build_index(_flat_blocks(x, verbose), prod(row), metric, n_trees, random_state, n_jobs=n_jobs, path=path)


def _flat_blocks(x: Any, verbose: int) -> Iterator[NDArray[np.float32]]:
    with progress_bar(total=shape_of(x)[0], desc="indexing", unit="row", disable=not verbose) as bar:
        for block in iter_rows(x, "X"):
            yield block.reshape(len(block), -1)
            bar.update(len(block))


def load_index(path: str | os.PathLike[str], n_rows: int, n_features: int, metric: str) -> AnnoyIndex:
    """The index in a file, or an error if it does not have this number of rows and features."""
    check_metric(metric)
    if not Path(path).is_file():
        msg = f"There is no index file {path}."
        raise FileNotFoundError(msg)
    index = new_index(n_features, metric)
    try:
        index.load(str(path))
    except OSError as error:
        msg = f"{path} is not an Annoy index of {n_features} features and metric {metric!r}: {error}"
        raise ValueError(msg) from error
    check_size(index, n_rows)
    return index


def load_or_build(path: Path, x: Any, metric: Any, n_trees: int, random_state: int) -> AnnoyIndex:
    """The index in a file, which is built there if there is none."""
    if not path.exists():
        build_annoy_index(x, path, metric, n_trees, verbose=0, random_state=random_state)
    return load_index(path, x.shape[0], x.shape[1], metric)


def check_size(index: AnnoyIndex, n_rows: int) -> None:
    """Raise if an index has another number of rows than the data."""
    if index.get_n_items() != n_rows:
        msg = f"The index holds {index.get_n_items()} rows, but the data have {n_rows}: an index of other data?"
        raise ValueError(msg)


def check_metric(metric: str) -> None:
    """Raise if a metric is not one of Annoy's."""
    check_choice("metric", metric, get_args(AnnoyMetric))
