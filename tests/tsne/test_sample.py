"""A t-SNE of a sample, among which the other cells are placed."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from scivis._tsne import placement
from scivis._tsne.fit import fit_tsne
from scivis._tsne.sample import arranged_cells, place_others
from scivis._tsne.settings import Settings, resolve
from scivis.data import _streaming
from scivis.data._streaming import Rows

SETTINGS = Settings(initialization="pca", early_exaggeration_iter=0, n_iter=0, perplexity=5)


@pytest.fixture
def sampled(points):
    """A t-SNE of 100 of 400 rows that was not optimized, the rows, the mask, and another map of all rows."""
    mask = np.arange(len(points)) % 4 == 1
    x = points[mask]
    fitted = fit_tsne(x, resolve(SETTINGS, len(x)), None, None, (), graph_key="", obsm_key="X_tsne", bar=None)
    fitted.coordinates[:] = 30 * x[:, :2] + np.sin(x[:, 2:4])
    return fitted, points, mask, points[:, :2] + 0.2 * points[:, 4:6]


def test_places_are_those_of_a_computation_by_hand(sampled, monkeypatch):
    monkeypatch.setattr(placement, "_STEPS", 0)
    fitted, points, mask, other = sampled
    found = place_others(fitted, points[mask], mask, Rows(points, "points"), other).coordinates
    reference, other = fitted.coordinates, other.astype(float)
    anchor = other[mask]
    centered, moved = anchor - anchor.mean(axis=0), reference - reference.mean(axis=0)
    scale = (centered * moved).sum() / (centered**2).sum()  # least squares
    network = scale * (other - anchor.mean(axis=0)) + reference.mean(axis=0)
    near = np.argsort(cdist(points, points[mask]), axis=1)[:, :15]
    by_hand = network + np.median((reference - network[mask])[near], axis=1)
    assert_allclose(found[~mask], by_hand[~mask], atol=1e-6)
    assert_array_equal(found[mask], reference)


def test_the_size_of_blocks_has_no_effect(sampled, monkeypatch):
    fitted, points, mask, other = sampled
    whole = place_others(fitted, points[mask], mask, Rows(points, "points"), other).coordinates
    for size in (150, 599):
        monkeypatch.setattr(_streaming, "_MAX_BLOCK", size)
        again = place_others(fitted, points[mask], mask, Rows(points, "points"), other).coordinates
        assert_allclose(again, whole, atol=1e-9)


def test_many_cells_are_found_by_an_inverted_file(sampled, monkeypatch):
    fitted, points, mask, other = sampled
    exact = place_others(fitted, points[mask], mask, Rows(points, "points"), other).coordinates
    monkeypatch.setattr("scivis._tsne.affinities.EXACT_UP_TO", 50)
    monkeypatch.setattr("scivis._tsne.affinities.NeighborIndex", None)
    found = place_others(fitted, points[mask], mask, Rows(points, "points"), other).coordinates
    assert_allclose(found, exact, atol=1e-6)  # there are fewer lists than each cell is compared with


def test_the_cells_that_were_arranged_are_those_that_the_column_marks():
    columns = {"chosen": [True, False, True], "text": ["a", "b", "c"], "none": False}
    adata = AnnData(obs=pd.DataFrame(columns, index=["x", "y", "z"]))
    assert arranged_cells(adata, {"params": {}}) is adata
    assert list(arranged_cells(adata, {"params": {"sample": "chosen"}}).obs_names) == ["x", "z"]
    for key, error in (
        ("missing", "is missing"),
        ("text", "does not mark"),
        ("none", "does not mark"),
        (3, "name of its sample"),
    ):
        with pytest.raises(ValueError, match=error):
            arranged_cells(adata, {"params": {"sample": key}})
