"""Pictures of embeddings, drawn without pyplot: training must not change the figures that a user has open."""

from __future__ import annotations

import io
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

# There are ten colors, so that further classes repeat them with another marker.
_MARKERS = "o^sDv"
_MISSING = "#e3e3e3"
_LEGEND_ROWS = 20


def read_labels(labels: Labels | None, n_rows: int) -> NDArray[np.float64] | pd.Categorical | None:
    """Labels as numbers, if their type is floating point, and as categories otherwise.

    Raises
    ------
    ValueError
        If there is not one label for each of `n_rows` rows.

    Examples
    --------
    >>> read_labels([0.5, 2.0], 2)
    array([0.5, 2. ])
    >>> read_labels(["T", "B", "T"], 3).codes.tolist()
    [1, 0, 1]
    """
    import pandas as pd

    if labels is None:
        return None
    shape = np.shape(labels)
    if shape != (n_rows,):
        msg = f"labels has shape {shape}, but there are {n_rows} rows: one label per row is needed."
        raise ValueError(msg)
    series = pd.Series(labels)
    if pd.api.types.is_float_dtype(series.dtype):
        return series.to_numpy(np.float64, na_value=np.nan)
    return pd.Categorical(series)


def draw_map(embedding: NDArray[np.float32], labels: NDArray[np.float64] | pd.Categorical | None, title: str) -> Figure:
    """A scatter plot of the first two axes of an embedding, with a legend or a colour bar outside the points.

    Parameters
    ----------
    embedding
        Shape (n, at least 2). One unit is equally long on both axes.
    labels
        From :func:`read_labels`. Rows without a label are light grey and lie below the others; so is the class −1.
    title
        Stands above the points.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel="ivis1", ylabel="ivis2")
    axes.set_aspect("equal", adjustable="datalim")
    size = 30_000 / max(len(embedding), 1000)  # the area of scanpy's dots
    if labels is None:
        _dots(axes, embedding, TEN_COLORS[0], size)
    elif isinstance(labels, np.ndarray):
        _draw_numbers(axes, embedding, labels, size)
    else:
        _draw_classes(axes, embedding, labels, size)
    return figure


def _dots(axes: Axes, xy: NDArray[np.float32], colors: Any, size: float, **look: Any) -> PathCollection:
    return axes.scatter(xy[:, 0], xy[:, 1], s=size, c=colors, linewidths=0, rasterized=True, **look)


def _draw_numbers(axes: Axes, embedding: NDArray[np.float32], labels: NDArray[np.float64], size: float) -> None:
    known = np.isfinite(labels)
    _dots(axes, embedding[~known], _MISSING, size)
    if known.any():
        points = _dots(axes, embedding[known], labels[known], size, cmap="viridis")
        axes.figure.colorbar(points, ax=axes, shrink=0.6)


def _draw_classes(axes: Axes, embedding: NDArray[np.float32], labels: pd.Categorical, size: float) -> None:
    names = [*map(str, labels.categories), "missing"]
    looks = _looks(names)
    codes = np.where(labels.codes < 0, len(names) - 1, labels.codes)
    colors, markers, grey = (np.array(column)[codes] for column in zip(*looks, strict=True))
    _dots(axes, embedding[grey], _MISSING, size)
    # One call per marker, not one per class: the classes of a call cover each other in the order of the rows.
    for marker in _MARKERS:
        rows = (markers == marker) & ~grey
        _dots(axes, embedding[rows], colors[rows], size, marker=marker)
    _add_legend(axes, {names[i]: looks[i] for i in np.unique(codes)})


def _looks(names: list[str]) -> list[tuple[str, str, bool]]:
    """Colour and marker of each class, and whether it is one of those that stand for no class."""
    classes = iter(range(len(names)))
    looks = []
    for name in names:
        grey = name in ("-1", "missing")
        i = 0 if grey else next(classes)
        color = _MISSING if grey else TEN_COLORS[i % len(TEN_COLORS)]
        looks.append((color, _MARKERS[i // len(TEN_COLORS) % len(_MARKERS)], grey))
    return looks


def _add_legend(axes: Axes, entries: dict[str, tuple[str, str, bool]]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="", color=color, marker=marker) for color, marker, _ in entries.values()]
    columns = -(-len(entries) // _LEGEND_ROWS)
    legend = axes.legend(
        handles, [" "] * len(entries), loc="center left", bbox_to_anchor=(1.02, 0.5), ncols=columns, frameon=False
    )
    legend.set_in_layout(False)  # the picture grows by the legend, the room for the points stays
    # Set afterwards, or a name that starts with an underscore would be left out and dollar signs read as formulas.
    for text, name in zip(legend.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def picture_format(figure: Figure, suffix: str) -> str:
    """The format that a file's suffix asks for, if it is a picture's, and PNG otherwise."""
    name = suffix.removeprefix(".").lower()
    return name if name in figure.canvas.get_supported_filetypes() else "png"


def encode(figure: Figure, file_format: str = "png") -> bytes:
    """The finished picture, as large as its legend needs."""
    buffer = io.BytesIO()
    extra = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
    figure.savefig(buffer, format=file_format, dpi=100, bbox_inches="tight", bbox_extra_artists=extra or None)
    return buffer.getvalue()
