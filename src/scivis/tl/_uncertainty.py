"""`scivis.tl.uncertainty`: how far the cells of an embedding may be off."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from scivis._adata.counts import find_counts
from scivis._adata.expression import unpack_input
from scivis._adata.keys import Keys
from scivis._adata.noise import Network, model_rows
from scivis._adata.noise_of_counts import NoiseOfCounts
from scivis._adata.noise_of_neighbors import NoiseOfNeighbors
from scivis._adata.representation import check_copy
from scivis._adata.results import Results
from scivis._checks import check_choice, check_integer, is_real
from scivis._ivis.predict import derivatives_of_rows, embed_rows
from scivis._methods import METHODS, entry_of, method_name
from scivis._progress import progress_bar
from scivis._quality.uncertainty import covariances, ellipses, leaving_shares, stretch
from scivis._random import recorded_seed, seed_from
from scivis._verbosity import bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._random import RandomState, Rng

    Noise = NoiseOfCounts | NoiseOfNeighbors

Target = Literal["expected", "repeated"]
Source = Literal["auto", "counts", "neighbors"]
# Places of a cell whose clusters are looked up.
_VOTING = 50


def uncertainty(  # noqa: PLR0913 (each is a setting of its own)
    adata: AnnData,
    *,
    key: str = "ivis",
    reference: AnnData | None = None,
    noise: Source = "auto",
    layer: str | None = None,
    groupby: str | None = None,
    target: Target = "expected",
    level: float = 0.9,
    n_replicates: int = 50,
    backbone: keras.Model | None = None,
    random_state: RandomState = 0,
    rng: Rng = None,
    copy: bool = False,
) -> AnnData | None:
    """Compute how far the cells of an embedding of :func:`scivis.tl.ivis` may be off, given the noise of their counts.

    A cell was measured by few of its molecules. If it were measured again, other molecules would be counted, and the cell
    would have another place. Here half of the counts of a cell are replaced, many times, by new counts with the expression of
    cells nearby on the map. Each replicate passes normalization, PCA and network, and the spread of the results is scaled
    to that of a full measurement. The uncertainty is that of the measurement, on the map as it is: other cells, another
    batch, or another fit are not part of it.

    Principal components also fit the noise of the cells that they were computed from, so that these cells lie farther apart
    than they would if they were measured again. For cells that the model was fitted on, the components are therefore computed
    again without a tenth of the cells at a time. The expected place can differ from the place on the map, above all if the
    components are more than the data support.

    Where no counts are found, the differences of a cell from its nearest neighbors stand for the noise, and the derivatives of
    the network map them (``noise="neighbors"``). Real differences between neighbors then count as noise.

    Parameters
    ----------
    adata
        Annotated data matrix with the coordinates and the counts, in memory or backed.
    key
        Key of the model: the `key_added` of :func:`scivis.tl.ivis`.
    reference
        Reference with the model, if `adata` holds new cells, placed by :func:`scivis.tl.ingest`. Default: `adata`.
    noise
        `counts`; `neighbors`; or `auto`, which uses counts if they are found. They are searched in `layers["counts"]`, in
        the layer that the model reads, in `.X` and in `.raw`. Normalized counts and their logarithms are turned back into
        counts if the values of a cell are multiples of the smallest one.
    layer
        Layer with the counts.
    groupby
        Column of `.obs` with clusters, to compute which share of the places of a cell lies in another one.
    target
        What the ellipses cover: the `expected` place of a cell, without noise; or the place of a `repeated` measurement of
        the same depth, which has noise of its own, so that the variance is twice as large.
    level
        Share of cells that the ellipses cover. They are calibrated: the counts of 500 cells are split in halves, which are
        independent, each half is filled up to the depth of the cell, and the ellipses of the one measurement must cover this share
        of the places of the other, among the 50 of these cells that lie nearest on the map. Without counts, it is the share of
        Gaussian places.
    n_replicates
        Number of replicates. The axes of an ellipse are accurate to about 1 / √(2 n), which is 10 % for 50.
    backbone
        Keras model, if the model was fitted with one.
    random_state
        Seed of the replicates: an integer, or a NumPy generator or `RandomState`; `None` gives others in each call.
    rng
        Seed as in scanpy 1.13, in place of `random_state`: what :func:`numpy.random.default_rng` takes.
    copy
        Whether to return a modified copy instead of writing to `adata`.

    Returns
    -------
    Returns `None` if `copy=False`, else an `AnnData` object. Sets the following fields:

    `adata.obs['ivis_uncertainty' | key + '_uncertainty']` : :class:`pandas.Series` (float32)
        Root mean square distance of the replicates from the place of the cell on the map, in units of the map.
    `adata.obsm['ivis_expected' | key + '_expected']` : :class:`numpy.ndarray` (float32, cells × n_components)
        Mean place of the replicates.
    `adata.obsm['ivis_covariance' | key + '_covariance']` : :class:`numpy.ndarray` (float32, cells × n_components²)
        Covariance matrix of the places of each cell, row by row.
    `adata.obsm['ivis_ellipse' | key + '_ellipse']` : :class:`numpy.ndarray` (float32, cells × 3)
        With two components, the ellipse around the expected place that covers a share of `level`: both semi-axes, and
        the angle of the longer one from the first axis of the map, in degrees.
    `adata.obs['ivis_radius' | key + '_radius']` : :class:`pandas.Series` (float32)
        Factor from standard deviations to the axes of the ellipse: the Mahalanobis distance within which a share of `level` lies.
    `adata.obsm['ivis_stretch' | key + '_stretch']` : :class:`numpy.ndarray` (float32, cells × n_components)
        Singular values of the derivative of the map at the cell: by how much it magnifies distances in the input of the
        network, in the direction in which it magnifies most, and in those at right angles to it. Where the last one is near
        zero, the map is folded, or flat in one direction.
    `adata.obs['ivis_leaving' | key + '_leaving']` : :class:`pandas.Series` (float32)
        With `groupby`, share of the places of a cell whose 15 nearest cells on the map mostly belong to another cluster.
    `adata.uns['ivis_uncertainty' | key + '_uncertainty']` : :class:`dict`
        `params`, and `noise`, which is `counts` or `neighbors`.

    Raises
    ------
    KeyError
        If there is no model under `key`, no coordinates, or no such layer or column.
    ValueError
        If the model is not one of :func:`scivis.tl.ivis`, an argument is not valid, there are no counts with
        ``noise="counts"``, or they do not lead to the input of the model.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> scivis.tl.uncertainty(adata, noise="neighbors", groupby="bulk_labels")
    >>> adata.obsm["ivis_ellipse"].shape
    (700, 3)
    """
    from scanpy import logging as logg

    start = logg.info("computing uncertainty")
    _check_call(noise, target, level, n_replicates)
    random_state = seed_from(random_state, rng)
    check_copy(adata, copy=copy)
    owner = adata if reference is None else reference
    if reference is None and key not in adata.uns and Keys.of("ivis", key).obsm in adata.obsm:
        msg = f"adata.uns[{key!r}] holds no model. If these cells were placed on a reference, pass it as reference."
        raise KeyError(msg)
    entry = entry_of(owner, key, "adata" if reference is None else "reference")
    if (method := method_name(entry)) != "ivis":
        msg = f"key={key!r} is an embedding of {method}, but a model of scivis.tl.ivis is needed."
        raise ValueError(msg)
    keys = Keys.of(method, key)
    places = _coordinates(adata, keys.obsm)
    clusters = _clusters(adata, groupby)
    fitted = METHODS[method].load(owner, entry, backbone=backbone).fitted_
    network = Network(partial(embed_rows, fitted), partial(derivatives_of_rows, fitted))
    drawing, calibration = np.random.default_rng(random_state).spawn(2)
    found = _find_noise(adata, owner, entry, network, places, noise, layer, is_fitted=reference is None)
    logg.info(f"    {found.description}")

    scale = 1.0 if target == "expected" else np.sqrt(2.0)
    columns = _measure(network, found, places, clusters, drawing, n_replicates, scale)
    radii = found.radii(calibration, n_replicates, level)
    adata = adata.copy() if copy else adata
    params = {"key": key, "target": target, "level": level, "n_replicates": n_replicates} | recorded_seed(random_state)
    written = _results(keys, columns, radii, found, params | ({} if groupby is None else {"groupby": groupby})).write(
        adata
    )
    logg.info("    finished", time=start, deep=f"added\n{written}")
    return adata if copy else None


def _check_call(noise: str, target: str, level: float, n_replicates: int) -> None:
    check_choice("noise", noise, get_args(Source))
    check_choice("target", target, get_args(Target))
    if not is_real(level) or not 0 < level < 1:
        msg = f"level={level!r} must be a number between 0 and 1."
        raise ValueError(msg)
    check_integer("n_replicates", n_replicates, at_least=10)


def _coordinates(adata: AnnData, key: str) -> NDArray[np.float32]:
    if key not in adata.obsm:
        msg = f"Did not find {key!r} in adata.obsm. Run `scivis.tl.ivis` or `scivis.tl.ingest` first."
        raise KeyError(msg)
    return np.asarray(adata.obsm[key], np.float32)


def _clusters(adata: AnnData, groupby: str | None) -> NDArray[np.integer] | None:
    """Number of the cluster of each cell; −1 where it is missing."""
    if groupby is None:
        return None
    if groupby not in adata.obs:
        msg = f"groupby={groupby!r} is not a column of adata.obs; it has {list(adata.obs)}."
        raise KeyError(msg)
    return pd.factorize(adata.obs[groupby])[0]


def _find_noise(
    adata: AnnData,
    reference: AnnData,
    entry: dict[str, Any],
    network: Network,
    places: NDArray[np.float32],
    noise: Source,
    layer: str | None,
    *,
    is_fitted: bool,
) -> Noise:
    """The noise of the cells: of their counts if these are found, unless the caller declines."""
    from scanpy import logging as logg

    source = unpack_input(entry.get("expression", {}))
    counts = None if noise == "neighbors" or source is None else find_counts(adata, source, reference, layer)
    if counts is not None:
        return NoiseOfCounts.of(adata, entry, counts, network, places, is_fitted=is_fitted)
    if noise == "counts":
        msg = "noise='counts', but no counts were found that lead to the input of the model. Name their layer."
        raise ValueError(msg)
    if noise == "auto":
        logg.warning("no counts were found: the distances to nearest neighbors stand for the noise")
    return NoiseOfNeighbors.of(network, model_rows(adata, entry, source))


def _measure(
    network: Network,
    found: Noise,
    places: NDArray[np.float32],
    clusters: NDArray[np.integer] | None,
    seeds: np.random.Generator,
    n_replicates: int,
    scale: float,
) -> dict[str, NDArray[np.float32]]:
    """What is measured for each cell, block by block."""
    parts: list[dict[str, NDArray[np.float32]]] = []
    done = 0
    for rows, drawn in _with_bar(found.places(seeds, n_replicates, scale), len(places)):
        own = slice(done, done + len(rows))
        distances = ((drawn - places[own]).astype(np.float64) ** 2).sum(axis=2).mean(axis=0)
        part = {
            "uncertainty": np.sqrt(distances).astype(np.float32),
            "expected": drawn.mean(axis=0, dtype=np.float64).astype(np.float32),
            "covariance": covariances(drawn),
            "stretch": stretch(network.derivatives(rows)),
        }
        if clusters is not None:
            part["leaving"] = leaving_shares(drawn[:_VOTING], clusters[own], places, clusters)
        parts.append(part)
        done += len(rows)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _with_bar(blocks: Iterator[Any], n_cells: int) -> Iterator[Any]:
    title = bar("drawing places")
    with progress_bar(total=n_cells, desc=title, unit="cell", unit_scale=True, disable=title is None) as progress:
        for rows, drawn in blocks:
            yield rows, drawn
            progress.update(len(rows))


def _results(
    keys: Keys,
    columns: dict[str, NDArray[np.float32]],
    radii: NDArray[np.float64],
    found: Noise,
    params: dict[str, Any],
) -> Results:
    covariance = columns["covariance"]
    n, n_components = covariance.shape[:2]
    obsm = {
        keys.expected: columns["expected"],
        keys.covariance: covariance.reshape(n, -1),
        keys.stretch: columns["stretch"],
    }
    notes = [
        (keys.uncertainty, "root mean square distance from the place on the map (adata.obs)"),
        (keys.expected, "mean place of the replicates (adata.obsm)"),
        (keys.covariance, "covariance of the places (adata.obsm)"),
        (keys.stretch, "singular values of the derivative of the map (adata.obsm)"),
        (keys.radius, f"standard deviations that cover {params['level']:.0%} (adata.obs)"),
    ]
    if n_components == 2:
        obsm[keys.ellipse] = ellipses(covariance, radii)
        notes.append((keys.ellipse, f"semi-axes and angle of the ellipses for {params['level']:.0%} (adata.obsm)"))
    if "leaving" in columns:
        notes.append((keys.leaving, "share of the places in another cluster (adata.obs)"))
    obs = {
        keys.uncertainty: columns["uncertainty"],
        keys.radius: radii.astype(np.float32),
        keys.leaving: columns.get("leaving"),
    }
    return Results(obsm, obs, {keys.uncertainty: {"noise": found.name, "params": params}}, tuple(notes))
