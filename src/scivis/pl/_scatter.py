"""`scivis.pl.ivis`, and the only use of the scatter plots of scanpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._adata.given import check_adata
from scivis._adata.keys import Keys
from scivis._methods import METHODS

from ._colors import as_category, color_list, is_numeric, unknown_color
from ._figure import check_axes, finish, scanpy_plots

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The dots of fewer cells are as large as those of as many, and not blots.
_FEW_CELLS = 500
_MARGIN = "right margin"


def ivis(
    adata: AnnData,
    *,
    key: str = "ivis",
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
    **kwargs: Any,
) -> Figure | Axes | list[Axes] | None:
    """Scatter plot of an ivis embedding.

    Parameters
    ----------
    adata
        Annotated data matrix with the embedding, from :func:`scivis.tl.ivis` or :func:`scivis.tl.ingest`.
    key
        The `key_added` of the tool.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `ivis.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.
    kwargs
        Arguments of :func:`scanpy.pl.embedding`: `color`, `palette`, `legend_loc`, `size`, `components`, …

    Returns
    -------
    With `show=False` the Axes, or a list with those of each panel; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If the embedding is not in `adata.obsm`.
    ValueError
        If the embedding has a single axis, or `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> scivis.pl.ivis(adata, color="bulk_labels", show=False).get_xlabel()
    'ivis1'
    """
    axes = scatter(adata, embedding_key(adata, key), ax=ax, **kwargs)
    return finish("ivis", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def embedding_key(adata: AnnData, key: str, first: str | None = None, argument: str = "adata") -> str:
    """Key in `.obsm` of the embedding of a method, or of one computed with `key_added=key`.

    `first` is the call that computes it, for a message. Default: the tool of the method. `argument` is the name of `adata`.

    Raises
    ------
    KeyError
        If it is not in `.obsm`.
    ValueError
        If it has a single axis.
    """
    check_adata(adata, argument)
    tool = key if key in METHODS else "ivis"
    name = Keys.of(tool, key).obsm
    if name not in adata.obsm and f"X_{key}" in adata.obsm:  # a map that scivis.tl.adopt learned
        name = f"X_{key}"
    if name not in adata.obsm:
        call = first or f"scivis.tl.{tool}"
        msg = f"Did not find {name!r} in {argument}.obsm; it holds {sorted(adata.obsm)}. Run `{call}` first."
        raise KeyError(msg)
    if adata.obsm[name].shape[1] == 1:
        msg = f"adata.obsm[{name!r}] has one axis; plot it with sc.pl.violin or as a histogram."
        raise ValueError(msg)
    return name


def scatter(adata: AnnData, name: str, **kwargs: Any) -> Axes | list[Axes]:
    """Plot an embedding by its key in `.obsm`, with the arguments of :func:`scanpy.pl.embedding`; not shown, not saved."""
    from scanpy import settings

    check_axes(kwargs.get("ax"))
    _check_colors(adata, kwargs)
    basis = name.removeprefix("X_")
    kwargs = {"size": 120_000 / max(adata.n_obs, _FEW_CELLS)} | _room_for_legends(adata, kwargs) | kwargs
    autosave, settings.autosave = settings.autosave, False
    try:
        axes = scanpy_plots().embedding(adata, basis=basis, show=False, **kwargs)
    finally:
        settings.autosave = autosave
    for panel in axes if isinstance(axes, list) else [axes]:
        panel.set(xlabel=_spaced(panel.get_xlabel(), basis), ylabel=_spaced(panel.get_ylabel(), basis))
    return axes


def _check_colors(adata: AnnData, kwargs: dict[str, Any]) -> None:
    """Raise for colors that are neither a column of `.obs` nor a gene. Genes by other names are left to scanpy."""
    genes = [adata.var_names] if adata.raw is None else [adata.var_names, adata.raw.var_names]
    for one in color_list(kwargs.get("color")) if kwargs.get("gene_symbols") is None else ():
        if one is not None and one not in adata.obs and not any(one in names for names in genes):
            raise unknown_color(adata, one)


def _room_for_legends(adata: AnnData, kwargs: dict[str, Any]) -> dict[str, float]:
    """Space between several panels in units of their width, where the legends of scanpy would lie on the next panel."""
    from matplotlib import rcParams

    colors = kwargs.get("color")
    if colors is None or isinstance(colors, str) or len(colors) < 2 or kwargs.get("legend_loc", _MARGIN) != _MARGIN:
        return {}
    columns = [adata.obs[one] for one in colors if one in adata.obs and not is_numeric(adata.obs[one])]
    widths = [name_width(as_category(column).cat.categories) for column in columns]
    return {"wspace": max(widths) / rcParams["figure.figsize"][0] + 0.15} if widths else {}


def name_width(names: Collection[str], rows: int = 14, inches: float = 0.1) -> float:
    """Width of a legend with these names in inches, with as many rows per column and inches per letter."""
    return -(-len(names) // rows) * (0.4 + inches * max(map(len, names), default=0))


def axis_labels(name: str) -> tuple[str, str]:
    """Labels of the first two axes of an embedding, by its key in `.obsm`.

    Examples
    --------
    >>> axis_labels("X_umap"), axis_labels("weight_0_5")
    (('umap1', 'umap2'), ('weight_0_5 1', 'weight_0_5 2'))
    """
    basis = name.removeprefix("X_")
    return _spaced(f"{basis}1", basis), _spaced(f"{basis}2", basis)


def _spaced(label: str, basis: str) -> str:
    """The label of an axis with a space before its number if the name of the embedding ends with a digit."""
    ends_with_digit = basis[-1:].isdigit() and label.startswith(basis)
    return f"{basis} {label.removeprefix(basis)}" if ends_with_digit else label


def scatter_columns(adata: AnnData, name: str, columns: pd.DataFrame, **kwargs: Any) -> Axes | list[Axes]:
    """Plot an embedding colored by each column of a data frame, without storing colors in `adata`."""
    from anndata import AnnData

    return scatter(AnnData(obs=columns, obsm={name: adata.obsm[name]}), name, color=list(columns), **kwargs)
