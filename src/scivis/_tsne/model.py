"""A fitted t-SNE: settings, coordinates, optimizer state and landmarks, as one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors._novelty import Reference

    from .optimization import History, State
    from .settings import Settings


@dataclass(frozen=True, eq=False)
class FittedTsne:
    """Everything that a fit found.

    Parameters
    ----------
    settings, graph, obsm
        Resolved settings, key of the neighbor graph (empty after a search), and key of the coordinates.
    coordinates, state
        Coordinates, shape (n, n_components), and gains and last updates, from which the optimization continues; `None` before
        the first iteration.
    history, kl_divergence
        Course of the optimization, and divergence of the coordinates.
    reference
        Landmarks by which novelty is measured.
    """

    settings: Settings
    graph: str
    obsm: str
    coordinates: NDArray[np.floating]
    state: State | None
    history: History
    kl_divergence: float
    reference: Reference

    @property
    def pbic(self) -> float | None:
        """pBIC (Cao and Wang, 2017), which is defined for a single perplexity."""
        if self.settings.affinity != "perplexity" or isinstance(self.settings.perplexity, tuple):
            return None
        n = len(self.coordinates)
        return float(2 * self.kl_divergence + np.log(n) * self.settings.perplexity / n)

    def check_state(self) -> None:
        """Raise unless there is a state for each cell, so that the optimization can continue."""
        shape = self.coordinates.shape
        if self.state and not self.state[0].shape == self.state[1].shape == shape:
            msg = (
                f"The optimizer state has shape {self.state[0].shape}, but the embedding has shape {shape}: cells were "
                "removed or added. This embedding can take new cells, but its optimization cannot continue: leave out resume."
            )
            raise ValueError(msg)
