"""More training with new rows: old rows are held near their places, and new rows find theirs among them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scivis._random import seed_of
from scivis.neighbors import find_neighbors
from scivis.neighbors._novelty import fit_reference

from .fit import rescaled, standard_deviation, statistics_rows
from .predict import embed_rows
from .presets import extension_params

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors._novelty import Reference

    from .model import FittedIvis
    from .settings import Settings


def extend_model(
    before: FittedIvis,
    settings: Settings,
    old: NDArray[np.float32],
    new: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    epochs: int | None = None,
) -> FittedIvis:
    """The model of `before` after more training with the rows `new`, shape (n, features), beside those of `old`.

    All rows have the loss of the neighbors, and old rows also that of their absolute difference from their present coordinates.
    The unit of the embedding stays.
    """
    from scivis.nn._coordinates import supervise_coordinates
    from scivis.nn._training import train

    search, training, landmarks = rng.spawn(3)
    x, known = np.concatenate([old, new]), np.arange(len(old) + len(new)) < len(old)
    params = extension_params(len(x), settings.input_noise)
    settings = replace(settings, **params if epochs is None else params | {"epochs": epochs})
    fitted = rescaled(before, 1.0, settings)
    held = np.zeros((len(x), fitted.architecture.n_components), np.float32)
    held[known] = embed_rows(fitted, old)
    found = find_neighbors(x, min(settings.k, len(x) - 1), random_state=seed_of(search))
    state = train(
        fitted.encoder,
        x,
        found,
        settings.schedule(shuffle=True, noise_unit=standard_deviation(statistics_rows(old))),
        rng=training,
        supervision=supervise_coordinates(held, known=known, weight=settings.supervision_weight),
    )
    reference = _extended_reference(before.reference, fit_reference(x, landmarks))
    return rescaled(replace(fitted, reference=reference, training=state), before.architecture.output_scale, settings)


def replayed_rows(fitted: FittedIvis, rows: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Rows of the reference and those landmarks that are not among them, such as cells of earlier extensions."""
    landmarks = fitted.reference.landmarks
    if rows is None:
        return landmarks
    seen = {row.tobytes() for row in rows}
    return np.concatenate([rows, landmarks[[row.tobytes() not in seen for row in landmarks]]])


def _extended_reference(before: Reference, after: Reference) -> Reference:
    """New landmarks with the calibration of the reference, which may have been held out of the principal components."""
    if before.calibration is None:
        return after
    return replace(after, unit=before.unit, calibration=before.calibration)
