"""Figures of embeddings, made without pyplot, so that training does not change the figures that a user has open."""

from __future__ import annotations

import io
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._palette import TEN_COLORS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Labels: TypeAlias = Sequence[Any] | NDArray[Any] | pd.Series
    Style: TypeAlias = tuple[str, str]

# Further classes repeat the ten colors with another marker.
_MARKERS = "o^sDv"
_GRAY = "#e3e3e3"
_LEGEND_ROWS = 20


def read_labels(labels: Labels | None, n_rows: int) -> NDArray[np.float64] | pd.Categorical | None:
    """Labels as numbers if their dtype is floating-point, otherwise as categories. Raises unless there are `n_rows`."""
    import pandas as pd

    if labels is None:
        return None
    if (shape := np.shape(labels)) != (n_rows,):
        msg = f"labels has shape {shape}, but data has {n_rows} rows: give one label per row."
        raise ValueError(msg)
    series = pd.Series(labels)
    if pd.api.types.is_float_dtype(series.dtype):
        return series.to_numpy(np.float64, na_value=np.nan)
    return pd.Categorical(series)


def plot_embedding(
    embedding: NDArray[np.float32], labels: NDArray[np.float64] | pd.Categorical | None, title: str
) -> Figure:
    """Scatter plot of the first two axes of an embedding, shape (n, 2 or more), with a legend or color bar beside it.

    Rows without a label, or with the class −1, are gray and lie below the others.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel="ivis1", ylabel="ivis2")
    axes.set_aspect("equal", adjustable="datalim")
    size = 30_000 / max(len(embedding), 1000)  # the dot size of scanpy
    if labels is None:
        _scatter(axes, embedding, TEN_COLORS[0], size)
    elif isinstance(labels, np.ndarray):
        _plot_numbers(axes, embedding, labels, size)
    else:
        _plot_classes(axes, embedding, labels, size)
    return figure


def _scatter(axes: Axes, xy: NDArray[np.float32], colors: Any, size: float, **style: Any) -> PathCollection:
    return axes.scatter(xy[:, 0], xy[:, 1], s=size, c=colors, linewidths=0, rasterized=True, **style)


def _plot_numbers(axes: Axes, embedding: NDArray[np.float32], labels: NDArray[np.float64], size: float) -> None:
    is_finite = np.isfinite(labels)
    _scatter(axes, embedding[~is_finite], _GRAY, size)
    if is_finite.any():
        points = _scatter(axes, embedding[is_finite], labels[is_finite], size, cmap="viridis")
        axes.figure.colorbar(points, ax=axes, shrink=0.6)


def _plot_classes(axes: Axes, embedding: NDArray[np.float32], labels: pd.Categorical, size: float) -> None:
    names = [*map(str, labels.categories), "missing"]
    styles = _class_styles(names)
    codes = np.where(labels.codes < 0, len(names) - 1, labels.codes)
    colors, markers = np.array(styles)[codes].T
    is_gray = colors == _GRAY
    _scatter(axes, embedding[is_gray], _GRAY, size)
    # One call per marker instead of one per class, so that no class covers all others.
    for marker in _MARKERS:
        rows = (markers == marker) & ~is_gray
        _scatter(axes, embedding[rows], colors[rows], size, marker=marker)
    _add_legend(axes, {names[code]: styles[code] for code in np.unique(codes)})


def _class_styles(names: list[str]) -> list[Style]:
    """Color and marker of each class; gray for the names that stand for no class."""
    styles = ((color, marker) for marker in cycle(_MARKERS) for color in TEN_COLORS)
    return [(_GRAY, _MARKERS[0]) if name in ("-1", "missing") else next(styles) for name in names]


def _add_legend(axes: Axes, styles: dict[str, Style]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="", color=color, marker=marker) for color, marker in styles.values()]
    columns = -(-len(styles) // _LEGEND_ROWS)
    legend = axes.legend(
        handles, [" "] * len(styles), loc="center left", bbox_to_anchor=(1.02, 0.5), ncols=columns, frameon=False
    )
    legend.set_in_layout(False)  # the legend enlarges the saved figure and leaves the size of the axes as it is
    # Set afterwards: `Axes.legend` skips names that start with an underscore and reads dollar signs as formulas.
    for text, name in zip(legend.get_texts(), styles, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def render(figure: Figure, suffix: str = ".png") -> bytes:
    """The figure with its legend, in the format of a suffix, or as PNG if the suffix is not that of a figure."""
    name = suffix.removeprefix(".").lower()
    file_format = name if name in figure.canvas.get_supported_filetypes() else "png"
    buffer = io.BytesIO()
    legends = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
    figure.savefig(buffer, format=file_format, dpi=100, bbox_inches="tight", bbox_extra_artists=legends or None)
    return buffer.getvalue()
