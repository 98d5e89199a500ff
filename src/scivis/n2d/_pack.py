"""A fitted N2D as arrays, names and numbers, and back: in AnnData files and in files of its own. Never any code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import is_real
from scivis._store.hdf5 import read_entry, write_entry
from scivis._store.schema import (
    FORMAT,
    arrays_to_dict,
    check_entry,
    dict_to_arrays,
    fail,
    finite_array,
    float32_array,
    from_json,
    is_width,
    pack_landmarks,
    to_json,
    unpack_landmarks,
)
from scivis.neighbors._novelty import Reference

from ._autoencoder import AutoEncoder, CustomAutoEncoder, _Trainable
from ._clustering import ManifoldClusterer
from ._estimator import N2D
from ._pack_learners import pack_clusterer, pack_manifold, unpack_clusterer, unpack_manifold
from ._weights import set_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._network import Layout

_PARTS = ("config", "offset", "weights", "classes", "landmarks", "landmark_unit")


def pack(model: N2D) -> dict[str, Any]:
    """The fitted model as a dictionary that h5ad, zarr and HDF5 can hold."""
    manifold, manifold_arrays = pack_manifold(model.manifold_, model.latent_, model.embedding_)
    clusterer, clusterer_arrays = pack_clusterer(model.clusterer_)
    autoencoder = model.autoencoder
    layout, offset = _pack_layout(autoencoder)
    config = {"layout": layout, "manifold": manifold, "clusterer": clusterer, "n_components": model.embedding_.shape[1]}
    return {
        "format": FORMAT,
        "config": to_json(config),
        "offset": offset,
        "weights": arrays_to_dict(autoencoder.autoencoder_.get_weights()),
        "manifold": manifold_arrays,
        "clusterer": clusterer_arrays,
        "classes": model.manifold_clusterer.classes_,
        **pack_landmarks(model.reference_.landmarks, model.reference_.unit),
    }


def _pack_layout(autoencoder: _Trainable) -> tuple[dict[str, Any] | str, np.ndarray]:
    """Names and sizes, and the offset apart: one number per gene is more than a text should hold."""
    if not isinstance(autoencoder, AutoEncoder):
        return "custom", np.empty(0)
    entry = asdict(autoencoder._layout)
    return entry, np.asarray(entry.pop("offset"), np.float64)


def unpack(
    stored: Mapping[str, Any],
    *,
    autoencoder: CustomAutoEncoder | None = None,
    manifold: Any = None,
    clusterer: Any = None,
) -> N2D:
    """The fitted model back from its dictionary.

    Parameters
    ----------
    stored
        What :func:`pack` gave, perhaps after a round trip through a file.
    autoencoder
        Layers of the user's own, if the model was fitted with some.
    manifold, clusterer
        Fitted learners of the user's own, of kinds that cannot be stored.

    Raises
    ------
    ValueError
        If the entry is incomplete, altered or of a newer format, or needs something that is not given.
    """
    check_entry(stored, _PARTS)
    # Empty dictionaries can be lost, for instance when data are concatenated.
    stored = {"manifold": {}, "clusterer": {}} | dict(stored)
    config = from_json(stored, "config")
    trained = _autoencoder(config.get("layout"), stored, autoencoder)
    parts = ManifoldClusterer(None, None)
    parts.manifold, parts.manifold_ = unpack_manifold(config.get("manifold"), stored["manifold"], manifold)
    parts.clusterer, parts.clusterer_ = unpack_clusterer(config.get("clusterer"), stored["clusterer"], clusterer)
    parts.n_components_, parts.classes_ = _sizes(config, stored)
    model = N2D(trained, parts)
    parts._rows = None
    if "latent" in stored["manifold"]:  # checked above
        model.latent_ = parts._rows = float32_array(stored["manifold"]["latent"], "latent")
        parts.embedding_ = float32_array(stored["manifold"]["embedding"], "embedding")
    model.reference_ = Reference(*unpack_landmarks(stored, int(np.prod(trained.encoder_.input_shape[1:]))))
    return model


def _sizes(config: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[int, np.ndarray]:
    """Axes of the map, and the numbers of the clusters."""
    n_components, classes = config.get("n_components"), np.asarray(stored["classes"])
    if not is_width(n_components):
        fail(f"its n_components is {str(n_components)[:80]!r}")
    if classes.ndim != 1 or classes.dtype.kind != "i" or (np.diff(classes) <= 0).any():
        fail("its classes are not rising whole numbers")
    return int(n_components), classes  # type: ignore[arg-type]  # whole, as was checked


def _autoencoder(layout: Any, stored: Mapping[str, Any], own: CustomAutoEncoder | None) -> _Trainable:
    from ._network import models

    weights = dict_to_arrays(stored["weights"], "weight")
    if layout == "custom" and own is None:
        msg = (
            "The model was fitted with layers of the user's, which are not stored with the data, so that no file can "
            "bring code along. Build the same and hand them in: autoencoder=CustomAutoEncoder((inputs, encoded, outputs))."
        )
        raise ValueError(msg)
    if layout != "custom" and own is not None:
        msg = "autoencoder was given, but the stored model has dense layers that scivis builds itself. Leave it out."
        raise ValueError(msg)
    trained: Any = own if own is not None else _dense(_layout(layout, stored["offset"]), weights)
    stages = trained._stages(np.empty((0, 0), np.float32), 0) if own is not None else _build(trained._layout)
    trained.encoder_, trained.autoencoder_ = models(stages)
    set_weights(trained.autoencoder_, weights)
    trained.loss_history_ = []
    return trained


def _dense(layout: Layout, weights: list[np.ndarray]) -> AutoEncoder:
    """Checked before anything is built: a forged size must fail here, and not in the allocation of its layer."""
    from ._network import weight_shapes

    # Rescaling layers have no weights.
    if len(weights) != 4 * (len(layout.architecture) + 1) or weight_shapes(layout) != [w.shape for w in weights]:
        fail(f"its weights have shapes {[w.shape for w in weights]}, which are not those of its network")
    trained = AutoEncoder(
        layout.input_dim, layout.latent_dim, layout.architecture, layout.act, standardize=bool(layout.offset)
    )
    trained._layout = layout
    return trained


def _build(layout: Layout) -> Any:
    from ._network import build

    return build(layout)


def _layout(entry: Any, offset: Any) -> Layout:
    from ._network import Layout, check_activation

    fields = set(Layout.__dataclass_fields__) - {"offset"}
    if not isinstance(entry, dict) or set(entry) != fields:
        fail(f"its layout does not hold exactly {sorted(fields)}")
    widths, offset = entry["architecture"], finite_array(offset, "offset")
    if not isinstance(widths, list) or not all(map(is_width, (entry["input_dim"], entry["latent_dim"], *widths))):
        fail("its widths are not whole numbers of at least 1")
    if offset.ndim != 1 or offset.size not in (0, entry["input_dim"]):
        fail("its offset does not hold one number per feature")
    if not is_real(entry["scale"]) or not 0 < entry["scale"] < np.finfo(np.float32).max:
        fail("its scale is not a number above 0")
    try:
        check_activation(entry["act"])
    except ValueError as error:
        fail(f"its activation is {str(entry['act'])[:80]!r}", error)
    return Layout(**{**entry, "architecture": tuple(widths), "offset": tuple(offset.tolist())})


def save_n2d(model: N2D, path: str | Path, *, overwrite: bool = False) -> None:
    """Save a fitted model in one HDF5 file of arrays, names and numbers.

    The file is written beside the old one and then takes its name. Functions and layers of your own are not in it.

    Parameters
    ----------
    model
        Fitted.
    path
        The file.
    overwrite
        Whether a file that is there already may be replaced.

    Raises
    ------
    FileExistsError
        If there is something under that name and `overwrite` is false.

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
    model._check_fitted()
    path = Path(path)
    if path.exists() and not overwrite:
        msg = f"{path} exists. Choose another name, or pass overwrite=True."
        raise FileExistsError(msg)
    write_entry(path, pack(model))


def load_n2d(
    path: str | Path,
    *,
    autoencoder: CustomAutoEncoder | None = None,
    manifold: Any = None,
    clusterer: Any = None,
) -> N2D:
    """Load a model that :func:`save_n2d` wrote; it predicts, and `fit` trains it anew.

    UMAP and t-SNE have no parameters of their own from which new rows could be placed: they are set up again from the
    fitted rows' encoding, which takes a search for neighbours but no new layout.

    Parameters
    ----------
    path
        The file.
    autoencoder
        The layers of your own that the model was fitted with, if it was.
    manifold, clusterer
        The fitted learners, if they are neither of those that scivis stores: UMAP, openTSNE's t-SNE and
        :class:`scivis.Ivis`; Gaussian mixtures and k-means.

    Returns
    -------
    The fitted model. `x_lambda` is not in the file: before another fit, set it again with
    ``model.autoencoder.set_params(x_lambda=…)``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, of a newer format, or needs something that is not given.

    Examples
    --------
    See :func:`save_n2d`.

    >>> load_n2d("nowhere.h5")
    Traceback (most recent call last):
    FileNotFoundError: There is no file nowhere.h5.
    """
    return unpack(read_entry(Path(path)), autoencoder=autoencoder, manifold=manifold, clusterer=clusterer)
