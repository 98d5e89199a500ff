"""Recognition of how a query was prepared, and reading it in the units of the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis.data._conversion import UnitsError
from scivis.data._units import Units, cell_totals, common_total, exponential

from .given import expression_of
from .preparation import preparation_of, read_scaling, read_units, sample_cells
from .query_sample import QuerySample, check_level, is_scaled_as_reference
from .query_steps import NO_PREPARATION, steps_to_reference
from .representation import choose_expression

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis.data._conversion import Conversion
    from scivis.data._scaling import Scaling

    from .expression import ExpressionInput
    from .genes import GeneAlignment
    from .preparation import Preparation

Prepare = Literal["auto", "none", "counts", "log1p"]

# Mean square difference of the means of the same expression, relative to its variance: means are those of a sample.
_SAME_MEANS = 0.01
# With a smaller share of the genes that the reference was normalized over, the totals of cells are not known.
_MIN_TOTAL_GENES = 0.5


@dataclass(frozen=True, eq=False)
class QueryReader:
    """Reads blocks of a query in the genes and units of a model.

    Parameters
    ----------
    matrix
        Expression of the query, cells × all its genes.
    align
        Position of the model's genes in the query.
    description
        What was recognized and is done, for the message.
    convert
        Steps to the units of the reference; `None` if there are none.
    counted
        Genes of the query whose counts add up to the total of a cell, by index; `None` for all.
    """

    matrix: Any
    align: GeneAlignment
    description: str
    convert: Conversion | None = None
    counted: NDArray[np.int64] | None = None

    def __call__(self, block: Any) -> NDArray[np.float32]:
        """A block of cells of the query with the genes of the model, in the units of the reference, dense."""
        if self.convert is None:
            return self.align(block)
        counts = block if self.counted is None else block[:, self.counted]
        totals = cell_totals(counts, self.convert.exponentiated) if self.convert.total else np.ones(block.shape[0])
        return self.align(block, partial(self.convert, totals=totals))


def read_query(
    adata: AnnData,
    align: GeneAlignment,
    source: ExpressionInput,
    reference: AnnData,
    *,
    layer: str | None = None,
    prepare: Prepare = "auto",
) -> QueryReader:
    """How blocks of expression of the query are read in the units of the reference.

    Raises
    ------
    KeyError
        If the query lacks the layer.
    UnitsError
        If the query is in other units from which no step leads to those of the reference.
    """
    matrix = choose_expression(adata, _choose_layer(adata, source, layer, prepare)).matrix
    if prepare == "none" or not matrix.shape[0]:
        return QueryReader(matrix, align, "is taken as it is")
    with np.errstate(all="ignore"):  # values that are not finite are reported when all rows are read
        made = source.preparation or preparation_again(reference, source)
        if made is None:
            reason = "is taken as it is: the model does not say how its reference was prepared"
            return QueryReader(matrix, align, reason)
        sample = QuerySample.of(matrix, align, made, source.means)
        if not np.isfinite(sample.columns).all():
            return QueryReader(matrix, align, "is taken as it is")
        if prepare == "auto" and is_scaled_as_reference(sample):
            check_level(sample, sample.columns, is_known=False)
            return QueryReader(matrix, align, "is scaled as the reference")
        return _converting_reader(adata, QueryReader(matrix, align, ""), sample, reference, prepare)


def _choose_layer(adata: AnnData, source: ExpressionInput, layer: str | None, prepare: Prepare) -> str:
    """The given layer, or that of the reference. `.X` takes the place of a layer of scaled genes that the query lacks."""
    is_scaled = source.preparation is not None and source.preparation.scaling is not None
    if layer is None and prepare != "none" and is_scaled and source.layer not in adata.layers:
        return ""
    return layer or source.layer


def _converting_reader(
    adata: AnnData, reader: QueryReader, sample: QuerySample, reference: AnnData, prepare: Prepare
) -> QueryReader:
    """The reader with the steps for a query that is not scaled as the reference."""
    made, (scaling, units) = sample.made, _recognize(adata, sample, prepare)
    convert = steps_to_reference(scaling, units, made, sample.found, reader.align.positions[sample.found])
    counted = counted_genes(adata.var_names, reference, made) if convert.total else None
    steps = str(convert) or ("as the reference" if units.kind == made.units.kind != "unknown" else "taken as it is")
    description = f"holds {'scaled ' if scaling is not None else ''}{units}: {steps}"
    reader = replace(reader, description=description, convert=convert if str(convert) else None, counted=counted)
    if "unknown" in (units.kind, made.units.kind) or not (units.total or units.kind == "counts"):
        check_level(sample, reader(sample.rows)[:, sample.found], is_known=made.units.kind != "unknown")
    return reader


def _recognize(adata: AnnData, sample: QuerySample, prepare: Prepare) -> tuple[Scaling | None, Units]:
    """The scaling of the query, if there is one to undo, and its units before this scaling."""
    rows = sample.rows
    if prepare == "counts":
        return None, Units("counts")
    if prepare == "log1p":
        base = sample.made.units.log_base or math.e
        return None, Units("normalized", base, common_total(exponential(rows.astype(np.float64), base)))
    scaling = read_scaling(adata, rows)
    return scaling, read_units(adata, rows, scaling)


def preparation_again(reference: AnnData, source: ExpressionInput) -> Preparation | None:
    """How a reference was prepared whose model does not say it, from its expression, if that is still there."""
    matrix = reference.layers.get(source.layer) if source.layer else expression_of(reference)
    if matrix is None or getattr(matrix, "format", None) == "csc" or not set(source.genes) <= set(reference.var_names):
        return None
    means = sample_cells(matrix)[:, reference.var_names.get_indexer(source.genes)].mean(axis=0)
    made = preparation_of(reference, matrix, source.genes)
    is_same = np.mean((means - source.means) ** 2) <= _SAME_MEANS * np.mean(made.deviations**2)
    return made if is_same else None


def counted_genes(genes: Any, reference: AnnData, made: Preparation) -> NDArray[np.int64] | None:
    """Genes of the query, an index of names, over which the reference was normalized, by position; `None` for all.

    Raises
    ------
    UnitsError
        If the query lacks most of them, so that the totals of its cells are not known.
    """
    names = [source.var_names for source in (reference, reference.raw) if source is not None]
    names = [known for known in names if len(known) == made.n_genes]
    counted = np.flatnonzero(genes.isin(names[0])) if names else np.arange(len(genes))
    if len(counted) < _MIN_TOTAL_GENES * made.n_genes:
        msg = (
            f"adata_new holds counts of {len(counted):,} of the {made.n_genes:,} genes over which the reference was "
            "normalized, so that the totals of its cells are not known. Pass the counts of all genes, or normalize "
            f"adata_new to {made.units.total:,.0f} counts per cell before genes are left out. {NO_PREPARATION}"
        )
        raise UnitsError(msg)
    return counted if len(counted) < len(genes) else None
