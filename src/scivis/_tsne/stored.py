"""The rows that a stored model was fitted on, read again from where they were."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.choice import Choice
from scivis._adata.correction import is_integrated
from scivis._adata.expression import fitted_representation, unpack_input
from scivis._adata.model_input import ModelInput
from scivis._adata.representation import read_representation
from scivis._store.schema import fail
from scivis.data._blocks import dense
from scivis.data._reading import collect_blocks, read_rows
from scivis.data._streaming import Rows
from scivis.neighbors._novelty import novelty

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.expression import ExpressionInput
    from scivis._adata.representation import Representation
    from scivis.neighbors._novelty import Reference

# Of so many reference cells, this share must be near the landmarks. It is 99 % unless the representation was computed again.
_SAMPLE, _LEAST_SHARE = 200, 0.5


def fitted_choice(entry: Any) -> Choice:
    """The place of the matrix that a model was fitted on."""
    kind, key, width = fitted_representation(entry.get("params"))
    return Choice(
        "layer" if kind == "layer" else "X" if kind == "X" else "obsm", key, width if kind == "obsm" else None
    )


def stored_input(adata: AnnData, entry: Any, reference: Reference) -> ModelInput:
    """The rows that a model was fitted on, read again and validated with its landmarks, and their origin."""
    rows = stored_rows(adata, entry)
    x = read_rows(rows.matrix, rows.name) if rows.prepare is dense else collect_blocks(rows, (len(rows), _width(entry)))
    sample = x[:: max(1, len(x) // _SAMPLE)]
    # New cells cannot be compared with a representation that was computed again.
    is_same_width = x.shape[1] == reference.landmarks.shape[1]
    if not is_same_width or (len(sample) and (novelty(reference, sample) <= 1).mean() < _LEAST_SHARE):
        fail(f"{rows.name} is not what it was fitted on")
    expression, representation = unpack_input(entry.get("expression", {})), _stored_representation(adata, entry)
    return ModelInput(Rows(x, rows.name, is_validated=True), expression, representation, is_integrated(entry))


def stored_rows(adata: AnnData, entry: Any) -> Rows:
    """The rows that a model was fitted on, to be read again in blocks."""
    representation = _stored_representation(adata, entry)
    matrix, name = representation.matrix, representation.description
    source = None if representation.kind == "obsm" else unpack_input(entry.get("expression", {}))
    if source is None or (not source.loadings.size and np.array_equal(adata.var_names, source.genes)):
        width = _width(entry)
        return Rows(matrix, name, dense if matrix.shape[1] <= width else partial(_first_columns, width=width))
    return Rows(matrix, name, partial(_from_genes, genes=_positions(adata, source.genes), source=source))


def _stored_representation(adata: AnnData, entry: Any) -> Representation:
    return read_representation(adata, replace(fitted_choice(entry), n_pcs=None))


def _width(entry: Any) -> int:
    return fitted_representation(entry.get("params"))[2]


def _positions(adata: AnnData, genes: NDArray[Any]) -> NDArray[np.integer]:
    if not adata.var_names.is_unique:
        fail("adata.var_names are not unique; run `adata.var_names_make_unique()` before the fit")
    positions = adata.var_names.get_indexer(genes)
    if (positions < 0).any():
        fail(f"{(positions < 0).sum()} of the {len(genes)} genes that it was fitted on are missing")
    return positions


def _first_columns(block: Any, *, width: int) -> NDArray[np.float32]:
    return dense(block[:, :width])


def _from_genes(block: Any, *, genes: NDArray[np.integer], source: ExpressionInput) -> NDArray[np.float32]:
    return source.project(dense(block[:, genes]))
