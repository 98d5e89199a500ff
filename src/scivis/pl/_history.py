"""`scivis.pl.history`: loss during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.given import check_adata
from scivis._store.digest import check_seal
from scivis._store.schema import fail, finite_array

from ._figure import finish, new_axes

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def history(
    adata: AnnData,
    *,
    key: str = "ivis",
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Plot the mean loss of each epoch, or for t-SNE the Kullback-Leibler divergence by iteration.

    Parameters
    ----------
    adata
        Annotated data matrix with the model in `.uns[key]`.
    key
        Name of the method, or the `key_added` of the tool.
    ax
        Axes to plot in. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `history.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.

    Returns
    -------
    With `show=False` the Axes; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If there is no training history under `key`.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> len(scivis.pl.history(adata, show=False).lines[0].get_xdata())
    2
    """
    from matplotlib.ticker import MaxNLocator

    steps, losses, xlabel, ylabel = _losses(adata, key)
    axes = new_axes(4, 3, ax)
    axes.plot(steps, losses, marker="o" if len(losses) == 1 else None)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return finish("history", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _losses(adata: AnnData, key: str) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Steps and losses of training, and the labels of both axes."""
    check_adata(adata)
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or "history" not in entry:
        msg = f"adata.uns[{key!r}] holds no training history. Run `scivis.tl.ivis(adata)` first."
        raise KeyError(msg)
    check_seal(entry)
    history, params = (entry.get(name) for name in ("history", "params"))
    if not hasattr(history, "keys") or not {"loss", "kl_divergence"} & set(history):
        fail("its history has neither a loss nor a Kullback-Leibler divergence")
    if "kl_divergence" in history:
        steps, losses = (_values(history, name) for name in ("iteration", "kl_divergence"))
        if len(steps) != len(losses):
            fail(f"its history has {len(losses)} divergences at {len(steps)} iterations")
        return steps, losses, "iteration", "Kullback-Leibler divergence"
    losses, loss = _values(history, "loss"), params.get("loss") if hasattr(params, "keys") else None
    return np.arange(1, len(losses) + 1), losses, "epoch", f"{loss} loss" if isinstance(loss, str) else "loss"


def _values(history: Any, name: str) -> np.ndarray:
    """One number per epoch, or per some iterations."""
    values = np.atleast_1d(finite_array(history.get(name), name, kinds="fiu"))
    if values.ndim != 1:
        fail(f"the {name} of its history has shape {values.shape}")
    return values
