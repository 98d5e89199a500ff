"""Showing a plot or handing it back, by scanpy's rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    Drawn = TypeVar("Drawn", Axes, Sequence[Axes])


def show_or_return(ax: Drawn, *, show: bool | None) -> Drawn | None:
    """Show the figure and return nothing, or return the Axes; `None` leaves it to scanpy's `autoshow`."""
    import matplotlib.pyplot as plt
    from scanpy import settings

    if settings.autoshow if show is None else show:
        plt.show()
        return None
    return ax
