"""`scivis.pl.history`: how training went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes


def history(adata: AnnData, *, key: str = "ivis", ax: Axes | None = None, show: bool | None = None) -> Axes | None:
    """How a map came about: the mean loss of each epoch, or the Kullback-Leibler divergence along the iterations.

    Parameters
    ----------
    adata
        Holds the model in `.uns[key]`.
    key
        The method, `ivis` or `tsne`, or the `key_added` it was given.
    ax
        Draw here instead of in a new figure.
    show
        Show the plot; by default as `sc.settings.autoshow` says, and never if `ax` is given.

    Returns
    -------
    With `show=False` the Axes.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> len(scivis.pl.history(adata, show=False).lines[0].get_xdata())
    2
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from ._show import show_or_return

    steps, losses, names = _losses(adata, key)
    show = False if show is None and ax is not None else show
    if ax is None:
        _, ax = plt.subplots(figsize=(4, 3), layout="constrained")
    ax.plot(steps, losses, marker="o" if len(losses) == 1 else None)
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return show_or_return(ax, show=show)


def _losses(adata: AnnData, key: str) -> tuple[np.ndarray, np.ndarray, tuple[str, str]]:
    """Steps, values, and what both are called."""
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or "history" not in entry:
        msg = f"adata.uns[{key!r}] holds no training history. Run `scivis.tl.ivis(adata)` first."
        raise KeyError(msg)
    history = entry["history"]
    if "kl_divergence" in history:
        divergence = np.atleast_1d(history["kl_divergence"])
        return np.atleast_1d(history["iteration"]), divergence, ("iteration", "Kullback-Leibler divergence")
    losses = np.atleast_1d(history["loss"])
    return np.arange(1, len(losses) + 1), losses, ("epoch", f"{entry['params']['loss']} loss")
