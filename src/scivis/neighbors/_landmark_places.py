"""Places on a map that a network gives, corrected by the landmarks nearby, whose places are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

_N_NEAREST = 15
# A map is smooth if landmarks that are left out are drawn so much farther from their places than residuals alone put them. Of
# UMAP, t-SNE and PaCMAP the ratio is 0.6 to 1.4, as the network has seen the landmarks, and of smooth functions above 1.9.
_SMOOTH = 1.75


@dataclass(frozen=True, eq=False)
class LandmarkPlaces:
    """Where landmarks lie on a map, and what a network knows of it.

    Parameters
    ----------
    coordinates
        Places of the landmarks, shape (landmarks, dims).
    residuals
        How far they are from where the network puts them, shape (landmarks, dims).
    spacing
        Distance of landmarks that are neighbors on the map: the median of their mean distances to their 15 nearest. 0 for a
        smooth map, on which rows are not drawn to landmarks.
    """

    coordinates: NDArray[np.float32]
    residuals: NDArray[np.float32]
    spacing: float

    @classmethod
    def of(cls, coordinates: Matrix, learned: Matrix, neighbors: NDArray[np.integer]) -> LandmarkPlaces:
        """From places of landmarks, and those that the network gives them, shape (landmarks, dims), and their nearest others."""
        known = np.asarray(coordinates, np.float32)
        places = cls(known, (known - learned).astype(np.float32), 0.0)
        drawing = replace(places, spacing=_spacing(known))
        off = [
            float(np.median(np.linalg.norm(p.correct(learned, neighbors) - known, axis=1))) for p in (places, drawing)
        ]
        return places if off[1] > _SMOOTH * off[0] else drawing

    def correct(
        self, places: Matrix, nearest: NDArray[np.integer], belief: Matrix | float = 1.0
    ) -> NDArray[np.float32]:
        """Places of rows from those that the network gives them, shape (n, dims).

        A place is first moved as the network errs for the landmarks nearby, by the median of their residuals. Unless the map is
        smooth, it then moves to the mean of these landmarks, weighted by a Gaussian kernel as wide as landmarks lie apart on the
        map. If they lie in several groups, the place decides between these, and the row gets among its neighbors, as it would be
        in the map itself.

        Parameters
        ----------
        places
            From the network, shape (n, dims).
        nearest
            Indices of the nearest landmarks of each row, shape (n, k).
        belief
            How far each row is moved, from 0, where it stays, to 1, shape (n, 1).

        Examples
        --------
        >>> import numpy as np
        >>> known = np.array([[0.0], [1.0], [9.0], [10.0]], np.float32)
        >>> landmarks = LandmarkPlaces(known, np.zeros((4, 1), np.float32), 1.0)
        >>> landmarks.correct(np.array([[2.0]]), np.array([[0, 1, 2, 3]])).round(1)
        array([[0.8]], dtype=float32)
        """
        corrected = places + np.median(self.residuals[nearest], axis=1)
        if self.spacing:
            corrected = self._drawn(corrected, self.coordinates[nearest].astype(np.float64))
        return (places + belief * (corrected - places)).astype(np.float32)

    def _drawn(self, places: Matrix, around: Matrix) -> Matrix:
        distances = np.square((around - places[:, None]) / self.spacing).sum(axis=2)
        weights = np.exp((distances.min(axis=1, keepdims=True) - distances) / 2)
        return np.einsum("nk,nkd->nd", weights, around) / weights.sum(axis=1, keepdims=True)


def _spacing(coordinates: NDArray[np.float32]) -> float:
    from sklearn.neighbors import NearestNeighbors

    k = min(_N_NEAREST, len(coordinates) - 1)
    distances, _ = NearestNeighbors(n_neighbors=k).fit(coordinates).kneighbors()
    # 0 if more than half of the landmarks lie on top of each other.
    return float(np.median(distances.mean(axis=1)))
