"""Counts of cells from which the input of a model follows, whether they are stored or follow from their logarithms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scivis.data._blocks import iter_blocks
from scivis.data._units import Units, counts_of_multiples, find_units, whole_multiples

from .genes import GeneAlignment, align_genes
from .given import expression_of
from .preparation import sample_cells
from .query import QueryReader, counted_genes, preparation_again
from .query_steps import steps_to_reference
from .representation import choose_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from .expression import ExpressionInput

# Cells that show the units.
_CELLS = 500


@dataclass(frozen=True, eq=False)
class CountReader:
    """Reads the counts of a model's genes, and turns counts into the input of the model.

    Parameters
    ----------
    matrix
        Cells × all genes.
    name
        Name of the matrix in messages.
    units
        What it holds: counts, or normalized counts that are whole multiples of the smallest one of a cell.
    columns
        Genes of the model, by column.
    counted
        Genes whose counts add up to the total of a cell, by column.
    source
        How expression becomes the input of the model.
    reader
        Reads counts of `columns` and the sum of all other genes in the units of the model.
    """

    matrix: Any
    name: str
    units: Units
    columns: NDArray[np.int64]
    counted: NDArray[np.int64]
    source: ExpressionInput
    reader: QueryReader

    def blocks(self, size: int) -> Iterator[NDArray[np.int64]]:
        """Counts of the genes of the model, and of all other genes in the last column, `size` cells at a time."""
        for block in iter_blocks(self.matrix, size):
            yield self._counts(sparse.csr_array(block))

    def _counts(self, block: sparse.csr_array) -> NDArray[np.int64]:
        if self.units.kind == "normalized":
            block = counts_of_multiples(block, self.units.log_base)
        own = np.rint(block[:, self.columns].toarray()).astype(np.int64)
        total = np.rint(block[:, self.counted].sum(axis=1)).astype(np.int64).reshape(-1, 1)
        return np.hstack([own, np.maximum(total - own.sum(axis=1, keepdims=True), 0)])

    def expression(self, counts: NDArray[Any]) -> NDArray[np.float32]:
        """Expression of the genes of the model in its units, for counts as `blocks` gives them."""
        return self.reader(counts)

    def inputs(self, counts: NDArray[Any]) -> NDArray[np.float32]:
        """The input of the model for such counts."""
        return self.source.project(self.expression(counts))


def find_counts(
    adata: AnnData, source: ExpressionInput, reference: AnnData, layer: str | None = None
) -> CountReader | None:
    """The counts that the input of the model follows from; `None` if there are none.

    They are searched in the given layer, or in `layers["counts"]`, the layer that the model reads, `.X` and `.raw`. The
    first matrix is read that holds counts, or normalized counts whose values are multiples of one count of the cell.

    Raises
    ------
    KeyError
        If there is no such layer.
    ValueError
        If the given layer holds neither, or its counts do not lead to the units of the model.
    """
    if (made := source.preparation or preparation_again(reference, source)) is None:
        return None
    for matrix, genes, name in _candidates(adata, source, layer):
        if (units := _count_units(matrix)) is None:
            continue
        align = align_genes(genes, source.genes, source.means, min_share=0.5)
        found = np.flatnonzero(align.positions >= 0)
        columns = align.positions[found]
        convert = steps_to_reference(None, Units("counts"), made, found, columns)
        counted = counted_genes(genes, reference, made) if convert.total else None
        compact = np.full(len(align.positions), -1)
        compact[found] = np.arange(len(found))
        reader = QueryReader(matrix, GeneAlignment(compact, align.fill), "", convert if str(convert) else None)
        counted = np.arange(len(genes)) if counted is None else counted
        return CountReader(matrix, name, units, columns, counted, source, reader)
    if layer is not None:
        msg = f"layer={layer!r} holds no counts, and no normalized counts from which they follow. Name the layer with the counts."
        raise ValueError(msg)
    return None


def _candidates(adata: AnnData, source: ExpressionInput, layer: str | None) -> Iterator[tuple[Any, Any, str]]:
    if layer is not None:
        yield choose_expression(adata, layer).matrix, adata.var_names, f"adata.layers[{layer!r}]"
        return
    for name in dict.fromkeys(("counts", source.layer)):
        if name in adata.layers:
            yield adata.layers[name], adata.var_names, f"adata.layers[{name!r}]"
    if (x := expression_of(adata)) is not None:
        yield x, adata.var_names, "adata.X"
    if adata.raw is not None:
        yield adata.raw.X, adata.raw.var_names, "adata.raw"


def _count_units(matrix: Any) -> Units | None:
    """The units of counts, or of normalized counts from which they follow; `None` for anything else."""
    if getattr(matrix, "format", None) == "csc" and not sparse.issparse(matrix):
        return None  # stored by columns on disk
    rows = sample_cells(matrix)
    rows = rows[:: max(len(rows) // _CELLS, 1)]
    if not np.isfinite(rows).all():
        return None
    units = find_units(rows)
    if units.kind == "counts" and not units.log_base:
        return units
    if units.kind == "normalized" and whole_multiples(rows, units.log_base):
        return units
    return None
