"""Colors of cells by a column of `.obs`, a gene or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._figure import scanpy_plots

if TYPE_CHECKING:
    from anndata import AnnData
    from cycler import Cycler
    from matplotlib.cm import ScalarMappable
    from numpy.typing import NDArray

    Palette = str | Sequence[str] | Mapping[str, str] | Cycler

MISSING = "#d3d3d3"
_SINGLE_COLOR = "#30588c"


@dataclass(frozen=True, eq=False)
class CellColors:
    """Colors of cells, and their legend or scale.

    Parameters
    ----------
    rgb
        Red, green and blue from 0 to 1, shape (cells, 3).
    names
        Category of each cell, shape (cells,), with `NA` for cells without one.
    legend
        Color of each category.
    scale
        Scale of numbers, for a color bar.
    """

    rgb: NDArray[np.float64]
    names: NDArray[np.object_] | None = None
    legend: dict[str, Any] | None = None
    scale: ScalarMappable | None = None


def color_list(color: str | Sequence[str] | None) -> Sequence[str | None]:
    """One color per panel."""
    if color is None or isinstance(color, str):
        return [color]
    if not isinstance(color, Iterable):
        msg = f"color={color!r} must be a column of adata.obs or a gene, or a list of them."
        raise TypeError(msg)
    color = list(color)
    if not len(color):
        msg = "color=[] names no panel. Name columns of adata.obs or genes, or leave color out."
        raise ValueError(msg)
    return color


def cell_colors(adata: AnnData, color: str | None, palette: Palette | None = None) -> CellColors:
    """Colors by a column of `.obs` or a gene; a single color without either."""
    from matplotlib.colors import to_rgb

    if color is None:
        return CellColors(np.tile(to_rgb(_SINGLE_COLOR), (adata.n_obs, 1)))
    values = cell_values(adata, color)
    if is_numeric(values):
        return number_colors(values.to_numpy(np.float64, na_value=np.nan))
    legend = category_colors(adata, color, palette)
    codes = as_category(values).cat.codes.to_numpy()
    if (codes < 0).any():
        legend["NA"] = MISSING
    colors = np.array([to_rgb(one) for one in [*legend.values(), MISSING]])
    names = np.array([*legend, "NA"], dtype=object)
    return CellColors(colors[codes], names[codes], legend)


def number_colors(values: NDArray[np.floating], low: float | None = None, high: float | None = None) -> CellColors:
    """Colors of numbers on a scale from `low` to `high`, by default their range. NaN is gray."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    finite = values[np.isfinite(values)]
    low = float(finite.min(initial=np.inf)) if low is None else low
    high = float(finite.max(initial=-np.inf)) if high is None else high
    scale = ScalarMappable(Normalize(low, high), colormaps["viridis"].with_extremes(bad=MISSING))
    return CellColors(scale.to_rgba(np.ma.masked_invalid(values))[:, :3], scale=scale)


def cell_values(adata: AnnData, color: str) -> pd.Series:
    """A column of `.obs`, or the expression of a gene."""
    import scanpy as sc

    if color in adata.obs:
        return adata.obs[color]
    if color not in adata.var_names:
        raise unknown_color(adata, color)
    return sc.get.obs_df(adata, keys=[color])[color]


def unknown_color(adata: AnnData, color: object) -> KeyError:
    """The error for a color that is neither a column of `.obs` nor a gene."""
    return KeyError(f"color={color!r} is neither in adata.obs, which holds {sorted(adata.obs.columns)}, nor a gene.")


def is_numeric(values: pd.Series) -> bool:
    """Whether values are numbers; truth values are categories, as in scanpy."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def as_category(values: pd.Series) -> pd.Series:
    """Values as a categorical of texts."""
    return values.astype("category").cat.rename_categories(str)


def category_colors(adata: AnnData, key: str, palette: Palette | None = None) -> dict[str, str]:
    """Color of each category of a column of `.obs`, from `.uns`, where a palette or new default colors are stored first.

    The names, the default colors and the forms of `palette` are those of scanpy, so that all plots of an analysis show a
    category in the same color. Nothing is stored in a view, which would become a copy.
    """
    from matplotlib.colors import is_color_like

    categories = list(as_category(adata.obs[key]).cat.categories)
    stored = list(adata.uns.get(f"{key}_colors", ()))
    if palette is None and len(stored) >= len(categories) and all(map(is_color_like, stored)):
        return dict(zip(categories, stored, strict=False))
    colors = default_colors(len(categories)) if palette is None else _palette_colors(palette, categories)
    is_foreign = palette is None and len(stored) >= len(categories)  # names of R, which scanpy translates
    if not (adata.is_view or is_foreign):
        adata.uns[f"{key}_colors"] = colors
    return dict(zip(categories, colors, strict=True))


def default_colors(n: int) -> list[str]:
    """Default colors of `n` categories in scanpy: those of matplotlib, or of the smallest palette that has enough."""
    from matplotlib import rcParams
    from matplotlib.colors import to_hex

    palettes = scanpy_plots().palettes
    own = rcParams["axes.prop_cycle"].by_key().get("color", [])
    sets = (own, palettes.default_20, palettes.default_28, palettes.default_102)
    colors = next((colors for colors in sets if len(colors) >= n), ["grey"] * n)
    return [to_hex(color) for color in colors[:n]]


def _palette_colors(palette: Palette, categories: list[str]) -> list[str]:
    """One color for each category: a colormap by name, colors by category, or a list, which is repeated if it is short."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if isinstance(palette, str) and palette in colormaps:
        return [to_hex(color) for color in colormaps[palette](np.linspace(0, 1, len(categories)))]
    try:
        if isinstance(palette, Mapping):
            return [to_hex(palette[name], keep_alpha=True) for name in categories]
        colors = palette.by_key()["color"] if hasattr(palette, "by_key") else list(palette)
        return [to_hex(color) for color in islice(cycle(colors), len(categories))]
    except (KeyError, TypeError, ValueError) as error:
        msg = f"palette={palette!r} is neither a colormap of matplotlib nor a list of colors nor a color for each of {categories}."
        raise ValueError(msg) from error
