"""Models of :func:`scivis.tl.tsne`: into and out of an entry of `.uns`, and new cells placed with them.

The entry holds settings and the state of the optimizer. Positions and representation stay where they are, in `.obsm`
(or `.X`): a map of a million cells is not stored twice, and a subset of the cells is a map of the subset.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scivis._adata.graph import stored_graph
from scivis._adata.representation import choose_representation
from scivis._adata.results import Results
from scivis._checks import check_seed
from scivis._store.schema import FORMAT, check_entry, fail, from_json, pack_landmarks, to_json
from scivis._store.schema import unpack_landmarks as read_landmarks
from scivis.data._reading import read_rows
from scivis.neighbors._novelty import Reference, novelty

from .affinities import Index, make_affinities, nearest
from .optimization import start_embedding
from .placement import Placer, Transform, check_distances, check_start
from .settings import Settings, check_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray
    from openTSNE import TSNEEmbedding

    from scivis._adata.keys import Keys
    from scivis.data._streaming import Rows

    Metric = str | Callable[..., float]
    Block = NDArray[np.float32]

_BLOCK = 8192
# Settings that depend on the number of cells were checked when the map was made.
_ANY_NUMBER = 10**9
# Of these many rows of the reference, half must be like its landmarks: 99 % are, unless they were computed anew.
_SAMPLE, _LEAST_SHARE = 200, 0.5


def load(adata: AnnData, entry: Any, *, metric: Metric | None = None) -> TSNEEmbedding:
    """openTSNE's embedding: positions, affinities (computed again, the same way), and the state of the optimizer."""
    config = unpack_config(entry, metric)
    settings, x = config.settings, reference_rows(adata, entry)
    affinities = make_affinities(x, settings, used_graph(adata, config.graph, settings, x))
    positions = unpack_positions(adata, config)
    embedding = start_embedding(positions, affinities, settings, unpack_optimizer(entry, positions.shape))
    embedding.kl_divergence = float(entry["kl_divergence"])
    return embedding


def place(
    adata: AnnData,
    entry: Any,
    rows: Rows,
    keys: Keys,
    *,
    metric: Metric | None = None,
    distances: Any = None,
    n_jobs: int = -1,
    **options: Any,
) -> Results:
    """Each new cell moves among the cells of the reference, which stay; see :class:`Transform` for the options."""
    transform = _transform(options)
    config = unpack_config(entry, metric)
    settings, positions = replace(config.settings, n_jobs=n_jobs), unpack_positions(adata, config)
    placer = Placer(positions, settings, transform)
    width = min(transform.width, len(positions))
    if distances is not None:
        distances = check_distances(distances, len(positions), width)
        if not isinstance(transform.initialization, str):
            check_start(transform.initialization, distances.shape[0], positions.shape[1])
        starts = range(0, distances.shape[0], _BLOCK)
        tables = (nearest(distances[a : a + _BLOCK], width) for a in starts)
        return _placement([placer(*table) for table in tables], keys, positions.shape[1])
    reference, index = unpack_landmarks(entry), Index(reference_rows(adata, entry), settings)
    if not isinstance(transform.initialization, str):
        check_start(transform.initialization, rows.matrix.shape[0], positions.shape[1])
    parts = [(placer(*index.query(block, width)), novelty(reference, block)) for block in rows]
    return _placement([placed for placed, _ in parts], keys, positions.shape[1], [score for _, score in parts])


def used_graph(adata: AnnData, key: str, settings: Settings, x: Block) -> Any:
    """Distances or weights of the graph under `key`; nothing for an empty key, which stands for a search."""
    return stored_graph(adata, key, x, weights=settings.affinity == "connectivities") if key else None


def _transform(options: dict[str, Any]) -> Transform:
    known = [field.name for field in fields(Transform)]
    if unknown := sorted(set(options) - set(known)):
        msg = f"{unknown} are no options of t-SNE; these are: {[*known, 'n_jobs', 'metric', 'distances']}."
        raise TypeError(msg)
    transform = Transform(**options)
    transform.check()
    return transform


def _placement(
    placed: list[NDArray[Any]], keys: Keys, n_components: int, scores: list[NDArray[Any]] | None = None
) -> Results:
    written = Results(
        obsm={keys.obsm: np.concatenate([np.empty((0, n_components)), *placed])},
        notes={keys.obsm: "coordinates on the reference's map (adata_new.obsm)"},
    )
    if scores is None:
        return written
    return written | Results(
        obs={keys.novelty: np.concatenate([np.empty(0, np.float32), *scores])},
        notes={keys.novelty: "distance from the reference (adata_new.obs)"},
    )


class Config(NamedTuple):
    """What is stored as JSON."""

    settings: Settings
    graph: str
    obsm: str


def pack_model(embedding: TSNEEmbedding, config: Config, landmarks: Reference) -> dict[str, Any]:
    """The model as a dictionary that h5ad and zarr can hold."""
    settings = asdict(config.settings) | ({"metric": "custom"} if callable(config.settings.metric) else {})
    nothing = np.empty((0, embedding.shape[1]))
    state = (embedding.optimizer.gains, embedding.optimizer.update)
    gains, update = (nothing if values is None else np.asarray(values) for values in state)
    return {
        "format": FORMAT,
        "config": to_json({"settings": settings, "graph": config.graph, "obsm": config.obsm}),
        "gains": gains,
        "update": update,
        **pack_landmarks(landmarks.landmarks, landmarks.unit),
    }


def unpack_config(entry: Any, metric: Metric | None = None) -> Config:
    """The settings back, with the key of the neighbour graph (empty if there was a search) and that of the map."""
    stored = entry["model"]
    check_entry(stored, ("config", "gains", "update", "landmarks", "landmark_unit"))
    config = from_json(stored, "config")
    settings = config.get("settings")
    if not isinstance(settings, dict) or set(settings) != {field.name for field in fields(Settings)}:
        fail("its config does not hold exactly the settings of a t-SNE")
    if not isinstance(config.get("graph"), str) or not isinstance(config.get("obsm"), str):
        fail("its config does not name its graph and its map")
    return Config(_settings(settings, metric), config["graph"], config["obsm"])


def _settings(stored: dict[str, Any], metric: Metric | None) -> Settings:
    perplexity = stored["perplexity"]
    tuples = {"perplexity": tuple(perplexity)} if isinstance(perplexity, list) else {}
    changes = tuples | {"metric": _metric(stored["metric"], metric)}
    try:
        settings = Settings(**stored | changes)
        check_settings(settings, _ANY_NUMBER)
        check_seed(settings.random_state)
    except (ValueError, TypeError) as error:
        fail(f"its settings are refused: {str(error)[:200]}", error)
    return settings


def _metric(stored: Any, given: Metric | None) -> Metric:
    if not isinstance(stored, str):
        fail(f"its metric is {str(stored)[:80]!r}")
    if stored == "custom" and given is None:
        msg = (
            "The map was made with a metric of the user's, which is not stored with the data, so that no file can bring "
            "code along. Hand it in again: metric=function."
        )
        raise ValueError(msg)
    if stored != "custom" and given is not None:
        msg = f"metric was given, but the stored map was made with {stored!r}. Leave it out."
        raise ValueError(msg)
    return stored if given is None else given


def unpack_positions(adata: AnnData, config: Config) -> NDArray[np.float64]:
    """The map, out of `.obsm`."""
    positions = np.asarray(adata.obsm[config.obsm]) if config.obsm in adata.obsm else np.empty(0)
    shape = (adata.n_obs, config.settings.n_components)
    if positions.shape != shape or positions.dtype.kind != "f" or not np.isfinite(positions).all():
        fail(f"its map, adata.obsm[{config.obsm!r}], does not hold finite numbers of shape {shape}")
    return positions.astype(np.float64)


def unpack_optimizer(entry: Any, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Gains and last update of each coordinate; `None` before the first iteration."""
    gains, update = (np.asarray(entry["model"][name]) for name in ("gains", "update"))
    for name, values in (("gains", gains), ("update", update)):
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            fail(f"its {name} are not finite numbers")
    if not len(gains) and not len(update):
        return None
    if gains.shape != shape or update.shape != shape:
        msg = (
            f"The optimizer's state has shape {gains.shape}, but the map has {shape}: cells were taken away or added. "
            "This map can take new cells, but not go on; run `scivis.tl.tsne` again."
        )
        raise ValueError(msg)
    return gains, update


def unpack_landmarks(entry: Any) -> Reference:
    """The sample of rows by which novelty is measured."""
    return Reference(*read_landmarks(entry["model"]))


def reference_rows(adata: AnnData, entry: Any) -> Block:
    """The representation that the map was made from, as it lies in the reference."""
    params = entry.get("params")
    if not hasattr(params, "keys") or not {"representation", "use_rep", "n_features"} <= set(params):
        fail("its params do not say what it was fitted on")
    kind, key = str(params["representation"]), str(params["use_rep"])
    by_layer = kind == "layer"
    representation = choose_representation(adata, use_rep=None if by_layer else key, layer=key if by_layer else None)
    x = read_rows(representation.matrix, representation.description)[:, : int(params["n_features"])]
    _check_same_values(x, unpack_landmarks(entry), representation.description)
    return x


def _check_same_values(x: Block, landmarks: Reference, name: str) -> None:
    """Refuse a representation that was computed anew: new cells would be compared with other numbers."""
    sample = x[:: max(1, len(x) // _SAMPLE)]
    same_width = x.shape[1] == landmarks.landmarks.shape[1]
    if not same_width or (len(sample) and (novelty(landmarks, sample) <= 1).mean() < _LEAST_SHARE):
        fail(f"{name} is not what it was fitted on")
