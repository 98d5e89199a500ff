"""`scivis.pl.history`: loss during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._figure import new_axes, show_or_return

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes


def history(adata: AnnData, *, key: str = "ivis", ax: Axes | None = None, show: bool | None = None) -> Axes | None:
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

    Returns
    -------
    With `show=False` the Axes.

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
    axes = ax or new_axes(4, 3)
    axes.plot(steps, losses, marker="o" if len(losses) == 1 else None)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return show_or_return(axes, show=show, ax=ax)


def _losses(adata: AnnData, key: str) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Steps and losses of training, and the labels of both axes."""
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or "history" not in entry:
        msg = f"adata.uns[{key!r}] holds no training history. Run `scivis.tl.ivis(adata)` first."
        raise KeyError(msg)
    history = {name: np.atleast_1d(values) for name, values in entry["history"].items()}
    if "kl_divergence" in history:
        return history["iteration"], history["kl_divergence"], "iteration", "Kullback-Leibler divergence"
    losses = history["loss"]
    return np.arange(1, len(losses) + 1), losses, "epoch", f"{entry['params']['loss']} loss"
