"""`scivis.tl.n2d`: clusters of cells by an autoencoder, a manifold learner and a mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.expression import pack_input
from scivis._adata.keys import Keys
from scivis._adata.model_input import model_input
from scivis._adata.representation import check_copy, choose_representation
from scivis._checks import check_positive_int, check_seed
from scivis._progress import verbose
from scivis._random import seed_of
from scivis.data._reading import read_rows
from scivis.data._validation import check_rows
from scivis.n2d import N2D, AutoEncoder, ManifoldClusterer
from scivis.n2d._learners import make_clusterer, make_manifold
from scivis.n2d._pack import pack
from scivis.n2d._place import place_clusters, place_map, place_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from scivis._adata.representation import Representation
    from scivis.n2d import CustomAutoEncoder

# Steps of training in all: on pen digits 2,150 gave clusters hardly better than 860 (benchmarks/n2d.py, one seed). And the
# fewest and the most passes over the cells that come of it.
_STEPS, _FEWEST_PASSES, _MOST_PASSES = 2000, 10, 200


def n2d(  # noqa: PLR0913 (each is a setting of the method, all but the first keyword-only)
    adata: AnnData,
    n_clusters: int,
    *,
    n_components: int = 2,
    n_neighbors: int | None = None,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    manifold: Any = "umap",
    clusterer: Any = "gmm",
    latent_dim: int | None = None,
    architecture: Sequence[int] = (500, 500, 2000),
    act: str = "relu",
    x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None = None,
    autoencoder: CustomAutoEncoder | None = None,
    batch_size: int = 256,
    epochs: int | None = None,
    loss: str | keras.losses.Loss = "mse",
    optimizer: str | keras.optimizers.Optimizer = "adam",
    patience: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    random_state: int | np.random.Generator = 0,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Cluster cells by what an autoencoder makes of them, and keep all that it takes to cluster new cells.

    An autoencoder learns a few numbers per cell, a manifold learner draws their map, and a mixture of Gaussians finds
    the clusters of the map (N2D; McConville et al., ICPR 2020, arXiv 1908.05968). The number of clusters is given, as
    for k-means. :func:`scivis.tl.ingest` assigns new cells.

    Parameters
    ----------
    adata
        Cells × genes, in memory or backed.
    n_clusters
        Clusters of the mixture, and by default the width of the bottleneck.
    n_components
        Axes of the map.
    n_neighbors
        Neighbours per cell on the way to the map: by default 20 for UMAP, 15 for ivis; for t-SNE it is the perplexity,
        by default 30.
    use_rep
        What stands for the cells: a key of `.obsm`, or `X`. By default the PCA, or `.X` for at most 50 genes. If
        there is no PCA it is computed and written, with a warning, as scanpy does.
    n_pcs
        How many columns of it to use; 0 means `.X`.
    layer
        A layer to use instead.
    manifold
        `umap`, `ivis` (new cells are then a forward pass) or `tsne`; or an object of scikit-learn's kind with
        `fit_transform`, and `transform` if new cells shall be placed.
    clusterer
        `gmm` (full covariances), `kmeans` or `agglomerative` (which cannot assign new cells); or an object of
        scikit-learn's kind with `fit_predict`, such as `sklearn.cluster.HDBSCAN`.
    latent_dim
        Width of the bottleneck.
    architecture
        Widths of the layers before it; those after it are their mirror image.
    act
        Name of their activation.
    x_lambda
        A function of a batch of rows that gives what the network sees in training instead, with the rows as they are
        for a target: noise makes a denoising autoencoder.
    autoencoder
        Layers of your own instead, as :class:`scivis.n2d.CustomAutoEncoder`. They are trained in place.
    batch_size
        Cells per step.
    epochs
        Passes over the cells, at most. The default makes about 2,000 steps, in 10 to 200 passes; N2D's own is 1,000.
    loss, optimizer
        Whatever Keras takes.
    patience
        Epochs without a lower loss before training stops; `None` runs all. The best weights are kept either way.
    callbacks
        Keras callbacks, called during training.
    random_state
        Seed: the same seed, machine and versions give the same bits. No global random state is read or changed.
    key_added
        Write under this key instead.
    copy
        Return a changed copy and leave `adata` as it is.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets:

    `adata.obs['n2d' | key_added]` : :class:`pandas.Series` (categorical)
        The cluster of each cell; none for cells that the clusterer calls noise.
    `adata.obsm['X_n2d' | key_added]` : :class:`numpy.ndarray` (float32, cells × n_components)
        The map.
    `adata.obsm['X_n2d_latent' | key_added + '_latent']` : :class:`numpy.ndarray` (float32, cells × latent_dim)
        What the autoencoder encodes.
    `adata.obsm['n2d_proba' | key_added + '_proba']` : :class:`numpy.ndarray` (float32, cells × clusters)
        The probability of each cluster, if the clusterer has one.
    `adata.uns['n2d' | key_added]` : :class:`dict`
        `params`, `history` (loss per epoch), `model` (for :func:`scivis.get.model`) and `expression` (what
        :func:`scivis.tl.ingest` needs to start from genes).

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ValueError
        If the data hold NaN, infinite or only equal rows, or an argument does not suit them. `adata` is unchanged.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.n2d(adata, 5, architecture=[64], epochs=2)
    >>> adata.obs["n2d"].cat.categories.tolist(), adata.obsm["X_n2d_latent"].shape
    (['0', '1', '2', '3', '4'], (700, 5))
    """
    from scanpy import logging as logg

    start = logg.info("computing n2d")
    keys = Keys.of("n2d", key_added)
    _check_arguments(adata, n_clusters, n_components, n_neighbors, latent_dim, random_state, copy=copy)
    passes = _passes(adata.n_obs, batch_size) if epochs is None else epochs
    _check_training(batch_size, passes, loss, optimizer, patience)
    pca, training, learners = np.random.default_rng(random_state).spawn(3)
    parts = _manifold_clusterer(manifold, clusterer, adata.n_obs, n_clusters, n_components, n_neighbors, learners)
    shape: dict[str, Any] = {"latent_dim": latent_dim, "architecture": architecture, "act": act, "x_lambda": x_lambda}
    _check_own(autoencoder, shape)
    shape["latent_dim"] = latent_dim or n_clusters
    (AutoEncoder(1, **shape, standardize=True) if autoencoder is None else autoencoder).check_settings()
    adata = adata.copy() if copy else adata

    representation = choose_representation(
        adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer, random_state=seed_of(pca)
    )  # fmt: skip
    cells = model_input(adata, representation, n_train=adata.n_obs, random_state=seed_of(pca))
    logg.info(f"    using {cells.rows.name}")
    x = read_rows(cells.rows.matrix, cells.rows.name)
    check_rows(x)
    dense = AutoEncoder(x.shape[1], **shape, standardize=True)
    model = N2D(dense if autoencoder is None else autoencoder, parts, random_state=training)
    model.fit(
        x, batch_size=batch_size, epochs=passes, loss=loss, optimizer=optimizer,
        patience=patience, callbacks=callbacks, verbose=int(verbose()),
    )  # fmt: skip

    placed = (
        place_map(keys, model.latent_, model.embedding_, "the map")
        | place_clusters(keys, model.labels_, parts.classes_)
        | place_probabilities(keys, model.probabilities_)
    )
    written = placed.write(adata)
    adata.uns[keys.uns] = {
        "method": "n2d",
        "params": _params(representation, x.shape[1], model, n_clusters, loss, batch_size, random_state),
        "history": {"loss": np.asarray(model.loss_history_)},
        "model": pack(model),
        "expression": pack_input(cells.expression),
    }
    source = "expression" if cells.expression else f"obsm[{representation.key!r}]"
    logg.hint(f"    scivis.tl.ingest will place new cells by their {source}")
    logg.info("    finished", time=start, deep=f"added\n{written}\n    {keys.uns!r}, n2d model (adata.uns)")
    return adata if copy else None


def _check_arguments(
    adata: AnnData,
    n_clusters: int,
    n_components: int,
    n_neighbors: int | None,
    latent_dim: int | None,
    random_state: Any,
    *,
    copy: bool,
) -> None:
    check_positive_int("n_clusters", n_clusters)
    check_positive_int("n_components", n_components)
    check_seed(random_state)
    for name, value in (("n_neighbors", n_neighbors), ("latent_dim", latent_dim)):
        if value is not None:
            check_positive_int(name, value)
    if n_clusters > adata.n_obs:
        msg = f"n_clusters={n_clusters} is more than the {adata.n_obs} cells."
        raise ValueError(msg)
    check_copy(adata, copy=copy)


def _check_training(batch_size: Any, epochs: Any, loss: Any, optimizer: Any, patience: Any) -> None:
    from scivis.n2d._training import Plan, check_plan

    check_plan(Plan(batch_size, epochs, loss, optimizer, patience, callbacks=(), verbose=0))


def _check_own(autoencoder: CustomAutoEncoder | None, shape: dict[str, Any]) -> None:
    """Layers of the user's own have a shape already."""
    default = {"latent_dim": None, "architecture": (500, 500, 2000), "act": "relu", "x_lambda": None}
    changed = [name for name, value in shape.items() if value != default[name]]
    if autoencoder is not None and changed:
        msg = f"{changed} describe layers that scivis makes, but autoencoder={autoencoder!r} brings its own."
        raise ValueError(msg)


def _manifold_clusterer(
    manifold: Any,
    clusterer: Any,
    n_cells: int,
    n_clusters: int,
    n_components: int,
    n_neighbors: int | None,
    rng: np.random.Generator,
) -> ManifoldClusterer:
    """The two learners: by name, or the user's own."""
    seed = seed_of(rng)
    own = {"n_components": n_components != 2, "n_neighbors": n_neighbors is not None}
    if not isinstance(manifold, str) and (useless := [name for name, given in own.items() if given]):
        msg = f"{useless} are settings of the manifold learners that scivis makes; manifold={manifold!r} has its own."
        raise ValueError(msg)
    if isinstance(manifold, str):
        manifold = make_manifold(manifold, n_cells, n_components, n_neighbors, seed)  # type: ignore[arg-type]  # checked there
    if isinstance(clusterer, str):
        clusterer = make_clusterer(clusterer, n_clusters, seed)  # type: ignore[arg-type]  # checked there
    parts = ManifoldClusterer(manifold, clusterer)
    parts.check_settings()
    return parts


def _passes(n_cells: int, batch_size: int) -> int:
    """Passes over the cells for about the same number of steps, whatever their number."""
    check_positive_int("batch_size", batch_size)
    return min(max(_STEPS * batch_size // max(n_cells, 1), _FEWEST_PASSES), _MOST_PASSES)


def _params(
    representation: Representation,
    n_features: int,
    model: N2D,
    n_clusters: int,
    loss: Any,
    batch_size: int,
    random_state: Any,
) -> dict[str, Any]:
    params = {
        "use_rep": representation.key,
        "representation": representation.kind,
        "n_features": n_features,
        "n_clusters": n_clusters,
        "n_components": model.embedding_.shape[1],
        "latent_dim": model.latent_.shape[1],
        "manifold": type(model.manifold_).__name__,
        "clusterer": type(model.clusterer_).__name__,
        "loss": loss if isinstance(loss, str) else "custom",
        "batch_size": batch_size,
        "epochs": len(model.loss_history_),
    }
    return params | ({"random_state": random_state} if isinstance(random_state, int) else {})
