"""A fitted model in an HDF5 file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from scivis._checks import check_path
from scivis._store.files import check_absent, check_writable
from scivis._store.hdf5 import read_entry, write_entry

from ._pack import pack, unpack

if TYPE_CHECKING:
    from ._autoencoder import CustomAutoEncoder
    from ._estimator import N2D


def save_n2d(model: N2D, path: str | Path, *, overwrite: bool = False) -> None:
    """Save a fitted model in one HDF5 file of arrays, names and numbers.

    An old file remains readable until the new one is complete. Functions and layers of your own are not saved.

    Parameters
    ----------
    model
        Fitted model.
    path
        Name of the file.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is false.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.decomposition import PCA
    >>> from scivis.n2d import AutoEncoder, ManifoldClusterer, N2D
    >>> x = np.random.default_rng(0).normal(size=(60, 8)).astype("float32")
    >>> model = N2D(AutoEncoder(8, 3, [4]), ManifoldClusterer(PCA(2), KMeans(3))).fit(x, epochs=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_n2d(model, f"{folder}/model.h5")
    ...     loaded = load_n2d(f"{folder}/model.h5", manifold=model.manifold_)
    >>> bool((loaded.predict(x) == model.labels_).all())
    True
    """
    check_is_fitted(model, "reference_")
    check_path("path", path)
    check_absent(Path(path), overwrite=overwrite)
    check_writable("path", Path(path))
    write_entry(Path(path), pack(model))


def load_n2d(
    path: str | Path,
    *,
    autoencoder: CustomAutoEncoder | None = None,
    manifold: Any = None,
    clusterer: Any = None,
) -> N2D:
    """Load a model that :func:`save_n2d` wrote. It predicts, and `fit` trains it again from the start.

    UMAP and t-SNE have no parameters from which new rows could be placed. They are restored from the encoding of the fitted
    rows: their neighbors are searched again, but no new embedding is computed.

    Parameters
    ----------
    path
        Name of the file.
    autoencoder
        Layers like those that the model was fitted with, if they were your own.
    manifold, clusterer
        Fitted learners of other kinds than those that are saved: UMAP, openTSNE's t-SNE and :class:`scivis.Ivis`;
        Gaussian mixtures and k-means.

    Returns
    -------
    The fitted model. `x_lambda` is not in the file: set it before another fit with
    ``model.autoencoder.set_params(x_lambda=…)``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or of a newer format, or needs an argument that is not given.

    Examples
    --------
    See :func:`save_n2d`.

    >>> load_n2d("nowhere.h5")
    Traceback (most recent call last):
    FileNotFoundError: There is no file nowhere.h5.
    """
    return unpack(read_entry(Path(path)), autoencoder=autoencoder, manifold=manifold, clusterer=clusterer)
