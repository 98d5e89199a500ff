"""Genes are found by name, in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scivis._adata.genes import align_genes

GENES = list("abcdef")
FILL = np.array([10, 20, 30, 40, 50, 60], np.float32)


@given(
    query=st.lists(st.sampled_from("abcdefxyz"), unique=True, min_size=1),
    kind=st.sampled_from([np.asarray, sparse.csr_array, sparse.csr_matrix, sparse.csc_array]),
)
def test_every_gene_gets_its_own_column_or_the_references_mean(query, kind):
    """Column j of the query holds j + 1 in row 0, ten times that in row 1."""
    block = np.outer([1, 10], np.arange(1, len(query) + 1)).astype(np.float64)
    align = align_genes(query, GENES, FILL, min_share=0)
    rows = align(kind(block))
    assert rows.dtype == np.float32
    for i, gene in enumerate(GENES):
        wanted = block[:, query.index(gene)] if gene in query else [FILL[i]] * 2
        np.testing.assert_array_equal(rows[:, i], wanted)
    assert align.n_found == len(set(query) & set(GENES))


def test_reordered_genes_give_the_same_rows():
    block = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    order = [3, 0, 5, 1, 4, 2]
    align = align_genes([GENES[i] for i in order], GENES, FILL, min_share=1)
    np.testing.assert_array_equal(align(block[:, order]), block)


def test_the_block_and_the_means_stay_as_they_are():
    block, fill = np.ones((3, 2), np.float32), FILL.copy()
    rows = align_genes(["a", "f"], GENES, fill, min_share=0)(block)
    rows += 1
    assert (block == 1).all()
    np.testing.assert_array_equal(fill, FILL)


def test_no_rows_are_fine():
    assert align_genes(GENES, GENES, FILL, min_share=1)(np.empty((0, 6), np.float32)).shape == (0, 6)


def test_the_least_share_is_enough():
    assert align_genes(["a", "b", "c"], GENES, FILL, min_share=0.5).n_found == 3


def test_too_few_genes_are_rejected_with_both_kinds_of_names():
    with pytest.raises(
        ValueError,
        match=r"adata_new has 2 of the 6 genes.*min_genes=0\.5 requires 3\..*\['a', 'b', 'c'\].*\['ENSG1', 'a', 'b'\]",
    ):
        align_genes(["ENSG1", "a", "b"], GENES, FILL, min_share=0.5)


def test_no_common_gene_is_rejected():
    with pytest.raises(ValueError, match=r"has 0 of the 6 genes that the model reads, but min_genes=0.01 requires 1"):
        align_genes(["x"], GENES, FILL, min_share=0.01)


def test_a_gene_named_twice_is_rejected_with_the_remedy():
    with pytest.raises(ValueError, match=r"duplicates.*var_names_make_unique"):
        align_genes(["a", "b", "a"], GENES, FILL, min_share=0)
