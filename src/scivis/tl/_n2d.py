"""`scivis.tl.n2d`: from an AnnData object to clusters of its cells and the model that computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.calibration import calibrate
from scivis._adata.choice import choose
from scivis._adata.keys import Keys
from scivis._adata.model_input import model_input, report_source
from scivis._adata.representation import read_representation
from scivis._adata.results import Results
from scivis._random import recorded_seed, seed_from, seed_of
from scivis._verbosity import verbose
from scivis.data._reading import read_rows
from scivis.data._validation import ValidatedRows
from scivis.n2d import N2D
from scivis.n2d._arguments import check_call, check_learners, choose_settings, make_autoencoder, make_learners
from scivis.n2d._pack import pack
from scivis.n2d._place import fitted_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from scivis._adata.model_input import ModelInput
    from scivis._random import RandomState, Rng
    from scivis.n2d import CustomAutoEncoder
    from scivis.n2d._settings import Settings


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
    random_state: RandomState = 0,
    rng: Rng = None,
    key_added: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Cluster cells with an autoencoder, a manifold learner and a clusterer, and keep the model.

    An autoencoder encodes each cell as a few values, a manifold learner embeds them, and a Gaussian mixture finds the
    clusters of the embedding (N2D; McConville et al., ICPR 2020, arXiv 1908.05968). As for k-means, the number of clusters
    is given. :func:`scivis.tl.ingest` assigns new cells to the clusters.

    Parameters
    ----------
    adata
        Annotated data matrix, cells × genes, in memory or backed.
    n_clusters
        Number of clusters.
    n_components
        Number of dimensions of the embedding.
    n_neighbors
        Number of neighbors per cell in the manifold learner. Default: 20 for UMAP and 15 for ivis. For t-SNE it is the
        perplexity, by default 30.
    use_rep
        Representation of the cells: a key of `.obsm`, or `X`. Default: the one that the graph of `sc.pp.neighbors` was
        computed from; without a graph the PCA, or `.X` for at most 50 genes. A missing PCA is computed and written to
        `adata`, with a warning, as in scanpy.
    n_pcs
        Number of columns of the representation to use; 0 means `.X`. Default: all.
    layer
        Layer to use as the representation.
    manifold
        Manifold learner: `umap`, `ivis` (places new cells with a forward pass) or `tsne`; or an object with scikit-learn's
        interface that has `fit_transform`, and `transform` if new cells are to be placed.
    clusterer
        Clusterer: `gmm` (Gaussian mixture with full covariances), `kmeans` or `agglomerative` (which cannot assign new
        cells); or an object with scikit-learn's interface that has `fit_predict`, such as `sklearn.cluster.HDBSCAN`.
    latent_dim
        Width of the bottleneck. Default: `n_clusters`.
    architecture
        Widths of the layers between input and bottleneck. The layers of the decoder have them in reverse order.
    act
        Name of the Keras activation of these layers.
    x_lambda
        Function that changes the input during training: it takes a batch of rows and returns an array of the same shape,
        while the unchanged rows remain the target. A function that adds noise makes a denoising autoencoder.
    autoencoder
        Layers of your own, as :class:`scivis.n2d.CustomAutoEncoder`, which are trained in place.
    batch_size
        Number of cells per training step.
    epochs
        Maximum number of epochs of the autoencoder. Default: about 2,000 training steps, in 10 to 200 epochs. N2D's own default
        is 1,000.
    loss, optimizer
        Name or object of Keras.
    patience
        Number of epochs without a lower loss after which training stops. `None`, the default, runs all epochs. The weights
        of the epoch with the lowest loss are kept in either case.
    callbacks
        Keras callbacks, called during training.
    random_state
        Seed: an integer, or a NumPy generator or `RandomState`; `None` gives other results in each call. Results are identical
        for the same seed, machine and versions. Global random states are neither read nor changed.
    rng
        Seed as in scanpy 1.13, in place of `random_state`: what :func:`numpy.random.default_rng` takes.
    key_added
        Key of the results, in place of `n2d`.
    copy
        Whether to return a changed copy, and leave `adata` as it is.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets the following fields:

    `adata.obs['n2d' | key_added]` : :class:`pandas.Series` (categorical)
        Cluster of each cell; missing for cells that the clusterer declares noise.
    `adata.obsm['X_n2d' | key_added]` : :class:`numpy.ndarray` (float32, cells × n_components)
        Coordinates of the cells.
    `adata.obsm['X_n2d_latent' | key_added + '_latent']` : :class:`numpy.ndarray` (float32, cells × latent_dim)
        Output of the encoder.
    `adata.obsm['n2d_proba' | key_added + '_proba']` : :class:`numpy.ndarray` (float32, cells × clusters)
        Probability of each cluster, if the clusterer has probabilities.
    `adata.uns['n2d' | key_added]` : :class:`dict`
        `method`, `params`, `history` (loss per epoch) and `model`: one array of bytes, without code, for
        :func:`scivis.get.model`, with what :func:`scivis.tl.ingest` needs to start from genes.

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ValueError
        If the data hold NaN or infinite values, if all cells are equal, or if an argument does not suit the data. `adata`
        is unchanged.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.n2d(adata, 5, architecture=[64], epochs=2, manifold="ivis")
    >>> adata.obs["n2d"].cat.categories.tolist(), adata.obsm["X_n2d_latent"].shape
    (['0', '1', '2', '3', '4'], (700, 5))
    """
    from scanpy import logging as logg

    start = logg.info("computing n2d")
    choice = choose(adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer)
    keys = Keys.of("n2d", key_added, reads=choice.keys_read())
    random_state = seed_from(random_state, rng)
    check_call(adata, n_clusters, copy=copy)
    settings = choose_settings(
        adata.n_obs, autoencoder, n_clusters=n_clusters, n_components=n_components, n_neighbors=n_neighbors,
        latent_dim=latent_dim, architecture=architecture, act=act, x_lambda=x_lambda, batch_size=batch_size,
        epochs=epochs, loss=loss, optimizer=optimizer, patience=patience, callbacks=callbacks, verbose=int(verbose()),
    )  # fmt: skip
    pca, training, learning, folds = np.random.default_rng(random_state).spawn(4)
    check_learners(settings, manifold, clusterer)
    adata = adata.copy() if copy else adata

    representation = read_representation(adata, choice, seed_of(pca))
    cells = model_input(adata, representation, n_train=adata.n_obs, random_state=seed_of(pca))
    logg.info(f"    using {cells.rows.name}")
    x = read_rows(cells.rows.matrix, cells.rows.name)
    learners = make_learners(settings, manifold, clusterer, adata.n_obs, learning)
    model = N2D(autoencoder or make_autoencoder(settings, x.shape[1]), learners, random_state=training)
    model.fit(ValidatedRows(x), **settings.training_arguments())
    model.reference_ = calibrate(model.reference_, adata, cells, folds)

    entry = {keys.uns: _entry(cells.with_correction(x), settings, model, random_state)}
    results = fitted_cells(keys, model) | Results(uns=entry, notes=((keys.uns, "n2d model (adata.uns)"),))
    written = results.write(adata)
    report_source(adata, cells)
    logg.info("    finished", time=start, deep=f"added\n{written}")
    return adata if copy else None


def _entry(
    cells: ModelInput, settings: Settings, model: N2D, random_state: int | np.random.Generator
) -> dict[str, Any]:  # fmt: skip
    """The model with its settings and the history of its training."""
    params = {
        "n_clusters": settings.n_clusters,
        "n_components": model.embedding_.shape[1],
        "latent_dim": model.latent_.shape[1],
        "manifold": type(model.manifold_).__name__,
        "clusterer": type(model.clusterer_).__name__,
        "loss": settings.loss if isinstance(settings.loss, str) else "custom",
        "batch_size": settings.batch_size,
        "epochs": len(model.loss_history_),
    }
    return {
        "method": "n2d",
        "params": cells.params() | params | recorded_seed(random_state),
        "history": {"loss": np.asarray(model.loss_history_)},
        "model": pack(model),
    } | cells.pack()
