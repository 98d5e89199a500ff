"""The arguments of :func:`scivis.tl.n2d` as settings, learners and an autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._adata.representation import check_copy
from scivis._checks import check_n_cells, check_positive_int
from scivis._random import seed_of
from scivis.neighbors._search import check_n_neighbors

from ._autoencoder import AutoEncoder
from ._clustering import ManifoldClusterer, check_interface
from ._learners import check_name, make_clusterer, make_manifold
from ._settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from ._autoencoder import CustomAutoEncoder

# Number of training steps. On pendigits, 2,150 steps gave hardly better clusters than 860 (benchmarks/n2d.py, one seed).
# And the smallest and largest number of epochs that follow from it.
_STEPS, _MIN_EPOCHS, _MAX_EPOCHS = 2000, 10, 200
# Settings of the dense layers; with layers of the user, they must keep these defaults.
_DENSE_DEFAULTS = {"latent_dim": None, "architecture": (500, 500, 2000), "act": "relu", "x_lambda": None}


def check_call(adata: AnnData, n_clusters: int, *, copy: bool) -> None:
    """Raise for arguments that do not suit the data."""
    check_n_cells(adata.n_obs)
    check_positive_int("n_clusters", n_clusters)
    if n_clusters > adata.n_obs:
        msg = f"n_clusters={n_clusters} is more than the {adata.n_obs} cells."
        raise ValueError(msg)
    check_copy(adata, copy=copy)


def choose_settings(
    n_cells: int,
    autoencoder: CustomAutoEncoder | None,
    *,
    batch_size: int,
    epochs: int | None,
    latent_dim: int | None,
    **given: Any,
) -> Settings:
    """The validated settings of a fit, whose other settings are `given`.

    By default, the number of epochs follows from the number of training steps, and `latent_dim` is the number of clusters.
    With the user's own `autoencoder`, the settings of the dense layers must have their default values.
    """
    if autoencoder is not None:
        _check_custom(autoencoder, given | {"latent_dim": latent_dim})
    if epochs is None:
        check_positive_int("batch_size", batch_size)
        epochs = min(max(_STEPS * batch_size // max(n_cells, 1), _MIN_EPOCHS), _MAX_EPOCHS)
    width = given["n_clusters"] if latent_dim is None else latent_dim
    if given.get("n_neighbors") is not None:
        check_n_neighbors(given["n_neighbors"], n_cells)
    return Settings(batch_size=batch_size, epochs=epochs, latent_dim=width, **given)


def _check_custom(autoencoder: CustomAutoEncoder, given: dict[str, Any]) -> None:
    """Raise if the user's own layers are no autoencoder, or come with settings of the dense layers."""
    if not hasattr(autoencoder, "check_settings"):
        msg = f"autoencoder={autoencoder!r} must be a scivis.n2d.CustomAutoEncoder, which takes layers of your own."
        raise TypeError(msg)
    if changed := [name for name, default in _DENSE_DEFAULTS.items() if given[name] != default]:
        msg = f"{changed} describe layers that scivis builds, but autoencoder={autoencoder!r} has its own."
        raise ValueError(msg)
    autoencoder.check_settings()


def check_learners(settings: Settings, manifold: Any, clusterer: Any) -> None:
    """Raise unless the learners are names that are known or objects that can be used. Their libraries are not imported."""
    is_given = {"n_components": settings.n_components != 2, "n_neighbors": settings.n_neighbors is not None}
    unused = [name for name, given in is_given.items() if given]
    if unused and not isinstance(manifold, str):
        msg = f"{unused} are for manifold learners that scivis creates; manifold={manifold!r} has its own settings."
        raise ValueError(msg)
    for role, given in (("manifold", manifold), ("clusterer", clusterer)):
        check = check_name if isinstance(given, str) else check_interface
        check(role, given)


def make_learners(
    settings: Settings, manifold: Any, clusterer: Any, n_cells: int, rng: np.random.Generator
) -> ManifoldClusterer:
    """Manifold learner and clusterer: those of a name, or the user's own objects."""
    seed = seed_of(rng)
    if isinstance(manifold, str):
        manifold = make_manifold(
            manifold, n_cells, settings.n_components, settings.n_neighbors, seed, verbose=settings.verbose
        )
    if isinstance(clusterer, str):
        clusterer = make_clusterer(clusterer, settings.n_clusters, seed)
    return ManifoldClusterer(manifold, clusterer)


def make_autoencoder(settings: Settings, n_features: int) -> AutoEncoder:
    """The dense autoencoder of these settings."""
    return AutoEncoder(
        n_features, settings.latent_dim, settings.architecture, settings.act, settings.x_lambda, standardize=True
    )
