"""The stages of a fit in their order, on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._progress import progress_bar
from scivis.neighbors._novelty import fit_reference

from .affinities import make_affinities
from .initialization import check_input, initial_coordinates
from .model import FittedTsne
from .optimization import History, make_embedding, optimize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .anchor import Anchor
    from .optimization import Callback
    from .settings import Settings


def fit_tsne(
    x: NDArray[np.float32],
    settings: Settings,
    graph: Any,
    start: NDArray[np.floating] | FittedTsne | None,
    callbacks: Sequence[Callback],
    *,
    anchor: Anchor | None = None,
    graph_key: str,
    obsm_key: str,
    bar: str | None,
) -> FittedTsne:
    """Affinities, initialization and optimization.

    Rows `x` have the shape (n, features), and settings are resolved. A `graph` of shape (n, n) replaces the search: distances,
    or weights for `connectivities`. An `anchor` pulls the cells. The optimization starts at given coordinates, shape (n, n_components), at those that
    `settings` names, or where an earlier fit ended. Keys are stored with the model; `bar` is the title of a progress bar.
    """
    check_input(x, settings)
    affinities = make_affinities(x, settings, graph)
    if isinstance(start, FittedTsne):
        coordinates, state, history = start.coordinates, start.state, start.history
    else:
        coordinates, state, history = initial_coordinates(x, affinities, settings, start, anchor), None, History()
    embedding = make_embedding(coordinates, affinities, settings, state, anchor)
    n_iter, first = settings.early_exaggeration_iter + settings.n_iter, history.n_done
    with progress_bar(total=n_iter, desc=bar, unit="iteration", disable=bar is None) as progress:
        history.report = lambda n_done: progress.update(n_done - first - progress.n)
        optimize(embedding, settings, callbacks, history, anchor)
    gains, update = embedding.optimizer.gains, embedding.optimizer.update
    return FittedTsne(
        settings=settings,
        graph=graph_key,
        obsm=obsm_key,
        coordinates=np.array(embedding),
        state=None if gains is None else (np.asarray(gains), np.asarray(update)),
        history=history,
        kl_divergence=float(embedding.kl_divergence),
        reference=fit_reference(x, np.random.default_rng(settings.random_state)),
    )
