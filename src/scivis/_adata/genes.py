"""Alignment of the genes of a query with the genes of a model, by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scivis.data._blocks import dense

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class GeneAlignment:
    """Position of each gene of a model in a query.

    Parameters
    ----------
    positions
        Column of the query for each gene of the model; −1 for a missing gene.
    fill
        Value of each gene where it is missing: its mean in the reference.
    """

    positions: NDArray[np.int64]
    fill: NDArray[np.float32]

    @property
    def n_found(self) -> int:
        """Number of genes of the model that are in the query."""
        return int((self.positions >= 0).sum())

    def __call__(
        self, block: Any, convert: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None
    ) -> NDArray[np.float32]:
        """A block of cells of the query, with the genes of the model in their order, as dense float32.

        `convert` changes the units of the genes that are found.
        """
        found = self.positions >= 0
        columns = block[:, self.positions[found]]
        columns = dense(columns if sparse.issparse(columns) else np.asarray(columns))
        if convert is not None:
            columns = np.asarray(convert(columns), np.float32)
        if found.all():  # as usual; the assignment below would take as long as everything before
            return columns
        rows = np.tile(self.fill, (block.shape[0], 1))
        rows[:, found] = columns
        return rows


def align_genes(
    query: Sequence[str], model: Sequence[str] | NDArray[Any], fill: NDArray[np.float32], *, min_share: float
) -> GeneAlignment:
    """Find the genes of a model among the genes of a query.

    Raises
    ------
    ValueError
        If a gene name is duplicated in the query, or less than `min_share` of the genes are found.

    Examples
    --------
    >>> import numpy as np
    >>> found = align_genes(["b", "x", "a"], ["a", "b", "c"], np.zeros(3, np.float32), min_share=0.5)
    >>> found.positions
    array([ 2,  0, -1])
    """
    names = pd.Index(query, dtype=object)
    if not names.is_unique:
        msg = "adata_new.var_names holds duplicates; run `adata_new.var_names_make_unique()` first."
        raise ValueError(msg)
    positions = names.get_indexer(pd.Index(model, dtype=object)).astype(np.int64)
    share = (positions >= 0).mean() if len(positions) else 0.0
    if share < min_share:
        msg = (
            f"adata_new has {int((positions >= 0).sum())} of the {len(positions)} genes that the model reads, but min_genes="
            f"{min_share} requires {math.ceil(min_share * len(positions))}. Gene names of the model look like "
            f"{list(model[:3])}, those of the query like {list(names[:3])}. Convert the names if they are of different kinds."
        )
        raise ValueError(msg)
    return GeneAlignment(positions, fill)
