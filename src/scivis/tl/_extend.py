"""`scivis.tl.extend`: a map that grows by new cells while the old ones stay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.correction import corrected_query
from scivis._adata.expression import fitted_representation
from scivis._adata.given import check_adata, expression_of
from scivis._adata.query_rows import query_rows
from scivis._adata.representation import check_copy
from scivis._adata.results import Results
from scivis._checks import check_positive_int
from scivis._ivis.coordinates import displacement
from scivis._ivis.extension import extend_model, replayed_rows
from scivis._ivis.pack import pack_model, unpack_model
from scivis._ivis.predict import embed_rows
from scivis._methods import entry_of, keys_of, method_name
from scivis._random import generator_of, seed_from
from scivis.data._streaming import Rows
from scivis.neighbors._novelty import fit_reference, novelty

from ._ingest import check_reading, placed_rows

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.keys import Keys
    from scivis._adata.query import Prepare
    from scivis._random import RandomState, Rng


def extend(
    adata_ref: AnnData,
    adata_new: AnnData,
    *,
    key: str = "ivis",
    use_rep: str | None = None,
    layer: str | None = None,
    prepare: Prepare = "auto",
    epochs: int | None = None,
    random_state: RandomState = 0,
    rng: Rng = None,
    copy: bool = False,
) -> AnnData | None:
    """Extend the map of a reference by new cells, whose types it may lack, while its own cells are held near their places.

    The network of :func:`scivis.tl.ivis` is trained further with the cells of the reference and the new cells. All cells are drawn to
    their neighbors, old and new, and repelled from all other cells, so that a type that the reference lacks gets ground of its own.
    The cells of the reference are held: the loss includes the distance from their coordinates before.

    If `adata_ref` holds no cells, or not what the model reads of them, its landmarks take their place. Cells of earlier
    extensions are held by their landmarks, too.

    Parameters
    ----------
    adata_ref
        Reference, with a model of :func:`scivis.tl.ivis`, and with or without its cells.
    adata_new
        Annotated data matrix of the new cells, in memory or backed.
    key
        `ivis`, or the `key_added` of its call.
    use_rep, layer, prepare
        Where the expression of the new cells is, as for :func:`scivis.tl.ingest`. If the reference was integrated, their
        expression is corrected as there, as one batch.
    epochs
        Number of epochs. Default: 120 up to 10,000 cells, fewer above.
    random_state
        Seed: an integer, or a NumPy generator or `RandomState`; `None` gives other results in each call. With the same seed,
        machine and versions, results are identical. Global random states are neither used nor changed.
    rng
        Seed as in scanpy 1.13, in place of `random_state`: what :func:`numpy.random.default_rng` takes.
    copy
        Whether to return an extended copy of `adata_ref`. Then neither argument is changed, and :func:`scivis.tl.ingest` places
        the new cells on the extended map.

    Returns
    -------
    Returns `None` if `copy=False`, else an `AnnData` object. Sets the following fields:

    `adata_new.obsm['X_ivis' | key]` : :class:`numpy.ndarray` (float32, cells × n_components)
        Coordinates on the extended map.
    `adata_new.obs['ivis_novelty' | key + '_novelty']` and the other results of :func:`scivis.tl.ingest`
        Novelty, p-values and verdict before the extension.
    `adata_new.obs['ivis_opened' | key + '_opened']` : :class:`pandas.Series` (bool)
        Whether a cell lies on new ground: farther from the old cells on the map, relative to how dense they are there, than 99 % of
        these from each other.
    `adata_ref.uns['ivis' | key]` : :class:`dict`
        The extended model. `params` also has `n_extended`, the number of new cells of each extension.
    `adata_ref.obsm['X_ivis' | key]` : :class:`numpy.ndarray`
        Coordinates of the old cells on the extended map.
    `adata_ref.obs['ivis_moved' | key + '_moved']` : :class:`pandas.Series` (float32)
        Displacement of each old cell, in standard deviations of the map (the root of the mean variance of its axes).

    Raises
    ------
    KeyError
        If the reference has no model under `key`, or the new cells lack what the model reads.
    ValueError
        If the model is not one of :func:`scivis.tl.ivis`, or :func:`scivis.tl.ingest` cannot place the new cells.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> is_new = adata.obs["bulk_labels"] == "Dendritic"
    >>> reference, new = adata[~is_new].copy(), adata[is_new].copy()
    >>> scivis.tl.ivis(reference, epochs=2)
    >>> scivis.tl.extend(reference, new, epochs=2)
    >>> new.obsm["X_ivis"].shape, reference.obs["ivis_moved"].shape
    ((240, 2), (460,))
    """
    from scanpy import logging as logg

    start = logg.info("extending a map")
    generator = generator_of(seed_from(random_state, rng))
    check_copy(adata_ref, copy=copy, name="adata_ref")
    check_reading(use_rep, layer, prepare)
    if epochs is not None:
        check_positive_int("epochs", epochs)
    check_adata(adata_new, "adata_new")
    entry = entry_of(adata_ref, key, "adata_ref")
    keys = keys_of(entry, key)
    _check_model(entry, key)
    adata_ref = adata_ref.copy() if copy else adata_ref
    rows = query_rows(adata_new, adata_ref, entry, use_rep=use_rep, layer=layer, prepare=prepare)
    rows = corrected_query(rows, adata_new, entry, correct=None, batch_key=None, is_expression=use_rep is None)
    new = _collect(rows)
    # Novelty, p-values, verdict and labels are those of the model before.
    placed = placed_rows(adata_ref, entry, keys, Rows(new, rows.name, is_validated=True))
    logg.info(f"    placed the new cells on the map before the extension{placed.message}")
    settings, before = unpack_model(entry["model"])
    own = _reference_rows(adata_ref, entry)
    old = replayed_rows(before, own)
    logg.info(f"    holding {len(old):,} cells of the reference{'' if own is not None else ', its landmarks'}")
    coordinates = embed_rows(before, old)

    fitted = extend_model(before, settings, old, new, generator, epochs=epochs)
    moved_to, grown = embed_rows(fitted, old), embed_rows(fitted, new)
    moved = displacement(coordinates, moved_to)
    opened = novelty(fit_reference(moved_to, generator), grown) > 1
    losses = fitted.training.losses if fitted.training else []
    entry = _extended(entry, pack_model(settings, fitted), losses, len(new))
    n_own = 0 if own is None else len(own)
    written = []
    if not copy:
        written.append(_new_results(keys, placed.results, grown, opened).write(adata_new))
    written.append(_reference_results(keys, entry, moved_to[:n_own], moved[:n_own]).write(adata_ref))
    logg.info(
        f"    old cells moved by {np.median(moved):.1%} of the map's standard deviation (median; 99 % of them by at most "
        f"{np.quantile(moved, 0.99):.1%}); {opened.mean():.0%} of the new cells opened new ground"
    )
    logg.info("    finished", time=start, deep="\n".join(["added", *written]))
    return adata_ref if copy else None


def _check_model(entry: dict[str, Any], key: str) -> None:
    if (method := method_name(entry)) != "ivis" or "basis" in entry:
        made = "scivis.tl.adopt" if method == "ivis" else f"scivis.tl.{method}"
        msg = f"key={key!r} is a model of {made}, but only a map of scivis.tl.ivis can be extended."
        raise ValueError(msg)


def _reference_rows(adata: AnnData, entry: dict[str, Any]) -> NDArray[np.float32] | None:
    """The input of the model for the cells of the reference; `None` if it is not at hand."""
    kind, key, _ = fitted_representation(entry.get("params"))
    if not adata.n_obs:
        return None
    if kind == "obsm":
        return _collect(query_rows(adata, adata, entry, use_rep=key)) if key in adata.obsm else None
    is_there = expression_of(adata) is not None if kind == "X" else key in adata.layers
    return _collect(query_rows(adata, adata, entry, prepare="none")) if is_there else None


def _collect(rows: Rows) -> NDArray[np.float32]:
    return np.concatenate([*rows])


def _extended(entry: dict[str, Any], model: dict[str, Any], losses: list[float], n_new: int) -> dict[str, Any]:
    """The entry with the extended model; the loss of the extension follows that of the fit."""
    history = np.concatenate([np.ravel(entry.get("history", {}).get("loss", [])), losses])
    n_extended = np.append(np.ravel(entry["params"].get("n_extended", [])), n_new).astype(np.int64)
    return dict(entry) | {
        "model": model,
        "history": {"loss": history},
        "params": dict(entry["params"]) | {"n_extended": n_extended},
    }


def _reference_results(
    keys: Keys, entry: dict[str, Any], coordinates: NDArray[np.float32], moved: NDArray[np.float32]
) -> Results:
    model = Results(uns={keys.uns: entry}, notes=((keys.uns, "extended model (adata_ref.uns)"),))
    if not len(coordinates):
        return model
    return model | Results(
        obsm={keys.obsm: coordinates},
        obs={keys.moved: moved},
        notes=(
            (keys.obsm, "coordinates on the extended map (adata_ref.obsm)"),
            (keys.moved, "displacement in standard deviations of the map (adata_ref.obs)"),
        ),
    )


def _new_results(keys: Keys, before: Results, coordinates: NDArray[np.float32], opened: NDArray[np.bool_]) -> Results:
    """What was found before the extension, with the coordinates after it."""
    before = replace(before, notes=tuple(note for note in before.notes if note[0] != keys.obsm))
    notes = (
        (keys.obsm, "coordinates on the extended map (adata_new.obsm)"),
        (keys.opened, "whether a cell opened new ground (adata_new.obs)"),
    )
    return before | Results(obsm={keys.obsm: coordinates}, obs={keys.opened: opened}, notes=notes)
