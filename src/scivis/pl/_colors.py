"""A colour for every cell, by what scanpy would call `color`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._palette import TEN_COLORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.cm import ScalarMappable
    from numpy.typing import NDArray

_MISSING = "#d3d3d3"
_PLAIN = "#30588c"


@dataclass(frozen=True, eq=False)
class CellColors:
    """Colours of cells, and what explains them.

    Parameters
    ----------
    rgb
        Cells × 3, from 0 to 1.
    legend
        The colour of each category.
    scale
        The colour bar of numbers.
    """

    rgb: NDArray[np.float64]
    legend: dict[str, Any] | None = None
    scale: ScalarMappable | None = None


def color_cells(adata: AnnData, color: str | None) -> CellColors:
    """Colours by a column of `.obs` or a gene; one for all cells without any."""
    from matplotlib.colors import to_rgb

    if color is None:
        return CellColors(np.tile(to_rgb(_PLAIN), (adata.n_obs, 1)))
    values = _values(adata, color)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return color_numbers(values.to_numpy(np.float64, na_value=np.nan))
    named = values.astype("category").cat
    colors = np.array([to_rgb(one) for one in _palette(adata, color, len(named.categories))] + [to_rgb(_MISSING)])
    legend = dict(zip(map(str, named.categories), colors, strict=False))
    codes = named.codes.to_numpy()
    return CellColors(colors[codes], legend | ({"NA": colors[-1]} if (codes < 0).any() else {}))


def color_numbers(values: NDArray[np.floating], low: float | None = None, high: float | None = None) -> CellColors:
    """Colours of numbers, by default from their smallest to their largest; NaN is grey."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    known = values[np.isfinite(values)]
    low = float(known.min(initial=np.inf)) if low is None else low
    high = float(known.max(initial=-np.inf)) if high is None else high
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
    """The colours stored by scanpy, or ten for anyone's eyes, or scanpy's."""
    from matplotlib.colors import is_color_like
    from scanpy.plotting import palettes

    stored = adata.uns.get(f"{color}_colors", ())
    if len(stored) >= n and all(map(is_color_like, stored)):
        return list(stored)[:n]
    sets = (TEN_COLORS, palettes.default_20, palettes.default_28, palettes.default_102)
    chosen = next((some for some in sets if len(some) >= n), sets[-1])
    return [chosen[i % len(chosen)] for i in range(n)]
