"""`scivis.pl.probability`: how sure the predicted labels are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def probability(
    adata: AnnData, *, key: str = "ivis", classes: str | Sequence[str] | None = None, **kwargs: Any
) -> Figure | Axes | list[Axes] | None:
    """The map, coloured by the probability of each cell's predicted label, or of the classes that are named.

    Where classes meet on the map the certainty falls; a cell far from all of them may still have a certain label, as its
    novelty (:func:`scivis.tl.ingest`) tells. The scale goes from 0 to 1.

    Parameters
    ----------
    adata
        Holds the map and the predictions, from a tool that was given `labels`, or from :func:`scivis.tl.ingest`.
    key
        The method's name, or the `key_added` it was computed with.
    classes
        Names of predicted classes, a panel for each; by default one panel with the largest probability.
    kwargs
        Everything that :func:`scanpy.pl.embedding` takes: `size`, `ncols`, `ax`, `show`, `return_fig`, …

    Returns
    -------
    As :func:`scanpy.pl.embedding`: with `show=False` the Axes, one per panel; with `return_fig=True` the Figure.

    Raises
    ------
    KeyError
        If there are no predicted probabilities, or no such class.
    ValueError
        If the map has a single axis.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, labels="bulk_labels", epochs=2)
    >>> scivis.pl.probability(adata, show=False).get_title()
    'ivis_certainty'
    """
    import scanpy as sc
    from anndata import AnnData

    from scivis._adata.maps import drawable_maps

    [(name, xy)] = drawable_maps(adata, key).items()
    # A light object, so that plotting adds nothing to the user's.
    shown = AnnData(obs=_probabilities(adata, key, classes), obsm={name: xy})
    kwargs = {"vmin": 0, "vmax": 1} | kwargs
    color = list(shown.obs.columns)
    return sc.pl.embedding(shown, basis=name.removeprefix("X_"), color=color[0] if len(color) == 1 else color, **kwargs)


def _probabilities(adata: AnnData, key: str, classes: str | Sequence[str] | None) -> pd.DataFrame:
    """A column per panel."""
    import pandas as pd

    from scivis._adata.keys import Keys

    keys = Keys.of(key, None)
    if keys.certainty not in adata.obs:
        msg = f"Did not find {keys.certainty!r} in adata.obs. Only a tool that was given labels to learn writes it."
        raise KeyError(msg)
    if classes is None:
        return adata.obs[[keys.certainty]]
    names = list(map(str, adata.obs[keys.label].cat.categories))
    scores = pd.DataFrame(adata.obsm[keys.scores], index=adata.obs_names, columns=names)
    wanted = [classes] if isinstance(classes, str) else list(classes)
    if not wanted or not set(wanted) <= set(names):
        msg = f"classes={classes!r}: the predicted classes are {names}."
        raise KeyError(msg)
    return scores[wanted]
