"""Colors of cells by a column of `.obs`, a gene or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._palette import TEN_COLORS

from ._scatter import category_colors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.cm import ScalarMappable
    from numpy.typing import NDArray

_MISSING = "#d3d3d3"
_SINGLE_COLOR = "#30588c"


@dataclass(frozen=True, eq=False)
class CellColors:
    """Colors of cells, and their legend or scale.

    Parameters
    ----------
    rgb
        Red, green and blue from 0 to 1, shape (cells, 3).
    legend
        Color of each category.
    scale
        Scale of numbers, for a color bar.
    """

    rgb: NDArray[np.float64]
    legend: dict[str, Any] | None = None
    scale: ScalarMappable | None = None


def cell_colors(adata: AnnData, color: str | None) -> CellColors:
    """Colors by a column of `.obs` or a gene; a single color without either."""
    from matplotlib.colors import to_rgb

    if color is None:
        return CellColors(np.tile(to_rgb(_SINGLE_COLOR), (adata.n_obs, 1)))
    values = _values(adata, color)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return number_colors(values.to_numpy(np.float64, na_value=np.nan))
    column = values.astype("category").cat
    colors = np.array([to_rgb(one) for one in [*_palette(adata, color, len(column.categories)), _MISSING]])
    legend = dict(zip(map(str, column.categories), colors, strict=False))
    codes = column.codes.to_numpy()
    return CellColors(colors[codes], legend | ({"NA": colors[-1]} if (codes < 0).any() else {}))


def number_colors(values: NDArray[np.floating], low: float | None = None, high: float | None = None) -> CellColors:
    """Colors of numbers on a scale from `low` to `high`, by default their range. NaN is gray."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    finite = values[np.isfinite(values)]
    low = float(finite.min(initial=np.inf)) if low is None else low
    high = float(finite.max(initial=-np.inf)) if high is None else high
    scale = ScalarMappable(Normalize(low, high), colormaps["viridis"].with_extremes(bad=_MISSING))
    return CellColors(scale.to_rgba(np.ma.masked_invalid(values))[:, :3], scale=scale)


def _values(adata: AnnData, color: str) -> pd.Series:
    import scanpy as sc

    if color in adata.obs:
        return adata.obs[color]
    if color not in adata.var_names:
        msg = f"color={color!r} is neither in adata.obs, which holds {sorted(adata.obs.columns)}, nor a gene."
        raise KeyError(msg)
    return sc.get.obs_df(adata, keys=[color])[color]


def _palette(adata: AnnData, color: str, n: int) -> Sequence[str]:
    """Colors of categories that scanpy stored, or default colors."""
    from matplotlib.colors import is_color_like

    stored = adata.uns.get(f"{color}_colors", ())
    if len(stored) >= n and all(map(is_color_like, stored)):
        return list(stored)[:n]
    return category_colors(n, TEN_COLORS)
