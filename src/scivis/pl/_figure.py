"""Figures, and whether they are shown or returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Plotted = TypeVar("Plotted", Axes, list[Axes])


def new_axes(width: float, height: float) -> Axes:
    """The Axes of a new figure."""
    [ax] = new_panels(1, 1, width=width, height=height)
    return ax


def new_panels(
    n_panels: int, n_columns: int, *, width: float = 3.2, height: float = 3.2, margin: float = 0
) -> list[Axes]:
    """The Axes of a new figure with panels of this size, and a margin on the right for a legend, in inches."""
    import matplotlib.pyplot as plt

    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    size = (width * n_columns + margin, height * n_rows)
    _, axes = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")
    for unused in axes.flat[n_panels:]:
        unused.set_axis_off()
    return list(axes.flat[:n_panels])


def show_or_return(axes: Plotted, *, show: bool | None, ax: Axes | None = None) -> Plotted | None:
    """Show the figure and return nothing, or return the Axes.

    The default is scanpy's `autoshow`, but Axes that the user passed as `ax` are not shown.
    """
    import matplotlib.pyplot as plt
    from scanpy import settings

    if show is None:
        show = settings.autoshow and ax is None
    if not show:
        return axes
    plt.show()
    return None
