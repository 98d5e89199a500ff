"""Cells that do not belong to the reference: p-values of their novelty, and a verdict on the query as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis.data._blocks import sample_runs
from scivis.neighbors._novelty import p_values
from scivis.neighbors._verdict import LEVEL, judge

from .results import Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.data._streaming import Rows
    from scivis.neighbors._novelty import Reference
    from scivis.neighbors._verdict import Verdict

    from .expression import ExpressionInput
    from .keys import Keys

# Runs of cells of the query by which it is judged: all cells of a small one.
_RUNS, _RUN = 250, 20
_N_GENES = 10

# The category of cells without a reliable label, and its color.
UNKNOWN, _UNKNOWN_COLOR = "unknown", "#7f7f7f"

_MEANING = {
    "none": "Nothing unusual.",
    "population": (
        "They lie together, as cells of a type or state do that the reference lacks. Their coordinates and predicted labels "
        "mean little. Next: cluster these cells and look at their markers."
    ),
    "group": (
        "The query is one group of cells, which is unlike the reference as a whole: cells of a type or state that the reference "
        "lacks, or of one of its types in another batch or preparation. These cells alone do not tell which. Next: look at "
        "their markers; if they show a type of the reference, prepare the query as the reference was."
    ),
    "shift": (
        "Cells of all kinds are unlike the reference, as those of another batch or preparation are. Next: prepare the query "
        "as the reference was; if it was, try scivis.tl.ingest(..., correct=True). Several new types without any known one look the same."
    ),
    "scattered": (
        "They are spread over the query, as doublets and damaged cells are. Next: look at their counts, mitochondrial "
        "fraction and doublet scores."
    ),
}


@dataclass(frozen=True, eq=False)
class Strangers:
    """What is written about the cells that do not belong to the reference, and its description for a message."""

    results: Results
    message: str = ""


def find_strangers(
    keys: Keys, reference: Reference, rows: Rows, novelty: NDArray[np.float32], expression: ExpressionInput | None
) -> Strangers:
    """P-values of new cells and the verdict on them; neither for a model of an earlier version.

    `rows` are the input of the model, and `expression` is how it follows from genes, if that is known.
    """
    p = p_values(reference, novelty)
    if p is None or not len(p):
        # Results of an earlier call would be those of another reference.
        return Strangers(
            Results(obs={keys.pvalue: p}, uns={keys.verdict: None}), "" if p is not None else _old(novelty)
        )
    x, p_of_x = _sample(rows, p)
    entry = _entry(judge(reference, p, x, p_of_x), len(p), expression)
    notes = (
        (keys.pvalue, "p-value of belonging to the reference (adata_new.obs)"),
        (keys.verdict, "verdict on the query as a whole (adata_new.uns)"),
    )
    return Strangers(Results(obs={keys.pvalue: p}, uns={keys.verdict: entry}, notes=notes), f"; {entry['text']}")


def unknown_labels(keys: Keys, results: Results, level: float) -> Results:
    """Predicted labels in which cells with a p-value of at most `level` are `unknown`; `ValueError` without labels or p-values."""
    labels, p = results.obs.get(keys.label), results.obs.get(keys.pvalue)
    if not isinstance(labels, pd.Categorical) or p is None:
        lacking = "p-values" if isinstance(labels, pd.Categorical) else "predicted classes"
        msg = (
            f"unknown={level} marks predicted classes by their p-values, but there are no {lacking} here. Leave it out."
        )
        raise ValueError(msg)
    names = list(labels.categories)
    position = names.index(UNKNOWN) if UNKNOWN in names else len(names)
    key, added = f"{keys.label}_colors", UNKNOWN not in names
    colors = results.uns.get(key)
    # Without colors, scanpy chooses them.
    colors = [*colors, _UNKNOWN_COLOR] if colors and added else colors
    codes = np.where(p <= level, position, labels.codes)
    categories = [*names, UNKNOWN] if added else names
    return Results(obs={keys.label: pd.Categorical.from_codes(codes, categories)}, uns={key: colors})


def _sample(rows: Rows, p: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Some rows, shape (n, features), and their p-values."""
    x, values = [], []
    rows = replace(rows, is_validated=True)  # all of them were when they were placed
    for start, run in sample_runs(rows.matrix, _RUNS, _RUN):
        x.append(rows.prepared(run, start))
        values.append(p[start : start + len(x[-1])])
    return np.concatenate(x), np.concatenate(values)


def _entry(verdict: Verdict, n_cells: int, expression: ExpressionInput | None) -> dict[str, Any]:
    """The verdict as plain values for `.uns`."""
    genes, differences = _driving_genes(verdict.difference, expression)
    named = f" Genes that differ most: {', '.join(genes)}." if len(genes) and verdict.kind != "none" else ""
    share = f"{verdict.share:.1%} of the cells have p ≤ {LEVEL}, where {LEVEL:.0%} are expected."
    return {
        "kind": verdict.kind,
        "text": f"{share} {_MEANING[verdict.kind]}{named}",
        "n_cells": n_cells,
        "level": LEVEL,
        "share": verdict.share,
        "excess": verdict.excess,
        "gathered": verdict.gathered,
        "shifted": verdict.shifted,
        "spread": verdict.spread,
        "genes": np.array(genes, dtype=object),
        "differences": differences,
    }


def _driving_genes(
    difference: NDArray[np.float32], expression: ExpressionInput | None
) -> tuple[list[str], NDArray[np.float32]]:
    """The genes in which strangers differ most from their nearest reference cells, and by how much."""
    if expression is None:
        return [], np.empty(0, np.float32)
    by_gene = expression.loadings @ difference if expression.loadings.size else difference
    order = np.argsort(-np.abs(by_gene), kind="stable")[:_N_GENES]
    return [str(gene) for gene in expression.genes[order]], by_gene[order].astype(np.float32)


def _old(novelty: NDArray[np.float32]) -> str:
    distant = f"; {np.mean(novelty > 1):.1%} of the cells have a novelty above 1. " if len(novelty) else "; "
    return distant + "The model was stored by an earlier version, which has no p-values: fit it again to get them"
