"""Figures: the panels of new ones, and whether they are shown, saved or returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._checks import check_positive_int

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EXTENSIONS = (".svg", ".pdf", ".png")
# Letters that fit over a panel.
_MAX_TITLE = 28


def new_axes(width: float, height: float, ax: Axes | None = None) -> Axes:
    """The given Axes, or those of a new figure."""
    [axes] = new_panels(1, 1, width=width, height=height, ax=ax)
    return axes


def new_panels(
    n_panels: int, ncols: int, *, width: float = 3.2, height: float = 3.2, margin: float = 0, ax: Axes | None = None
) -> list[Axes]:
    """The Axes of a new figure with panels of this size, and a margin on the right for a legend, in inches.

    Axes that are given take the place of a single panel.
    """
    import matplotlib.pyplot as plt

    check_positive_int("ncols", ncols)
    check_axes(ax)
    if ax is not None:
        check_one_panel(n_panels)
        return [ax]
    ncols = min(ncols, n_panels)
    n_rows = -(-n_panels // ncols)
    size = (width * ncols + margin, height * n_rows)
    _, axes = plt.subplots(n_rows, ncols, figsize=size, squeeze=False, layout="constrained")
    for unused in axes.flat[n_panels:]:
        unused.set_axis_off()
    return list(axes.flat[:n_panels])


def check_axes(ax: object) -> None:
    """Raise unless what a user passed as `ax` can be plotted on."""
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        msg = f"ax of type {type(ax).__name__} must be one matplotlib.axes.Axes, such as plt.subplots()[1] gives."
        raise TypeError(msg)


def check_one_panel(n_panels: int) -> None:
    """Raise if several panels would have to share the Axes of the user."""
    if n_panels > 1:
        msg = f"ax holds one panel, but {n_panels} are plotted. Name one of each, such as `color` or `basis`, or leave ax out."
        raise ValueError(msg)


def finish(
    name: str,
    axes: Axes | list[Axes],
    *,
    show: bool | None,
    save: bool | str | None,
    return_fig: bool | None,
    ax: Axes | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Save the figure of a plot with this name if asked to, and show it or return it, by the rules of scanpy.

    One panel is returned as Axes, several as a list of Axes. The defaults are scanpy's `autosave` and `autoshow`, but Axes
    that the user passed as `ax` are not shown.
    """
    import matplotlib.pyplot as plt
    from scanpy import settings

    panels = list_axes(axes)
    figure = panels[0].figure.figure  # of a subfigure, too
    save = settings.autosave if save is None else save
    if save:
        _save(figure, name, "" if save is True else str(save))
    if return_fig:
        return figure
    if settings.autoshow and ax is None if show is None else show:
        plt.show()
        return None
    return panels[0] if len(panels) == 1 else panels


def list_axes(axes: Axes | list[Axes]) -> list[Axes]:
    """The Axes of each panel."""
    return axes if isinstance(axes, list) else [axes]


def title_of(name: str, text: str) -> str:
    """Title of a panel: the name of an embedding and a text, in two lines if they are long."""
    name = name.removeprefix("X_")
    return f"{name}: {text}" if len(name) + len(text) <= _MAX_TITLE else f"{name}\n{text}"


def _save(figure: Figure, name: str, ending: str) -> None:
    """Write a figure to scanpy's folder of figures; the ending is added to the name and may hold the format."""
    from scanpy import logging as logg
    from scanpy import settings

    ending = ending if ending.endswith(_EXTENSIONS) else f"{ending}.{settings.file_format_figs}"
    settings.figdir.mkdir(parents=True, exist_ok=True)
    path = settings.figdir / f"{name}{ending}"
    logg.warning(f"saving figure to file {path}")
    figure.savefig(path, bbox_inches="tight")


def scanpy_plots() -> Any:
    """The plots and palettes of scanpy; from scanpy 1.13 on, those that also exist under its new preset."""
    import scanpy as sc

    return getattr(sc.pl, "legacy", sc.pl)
