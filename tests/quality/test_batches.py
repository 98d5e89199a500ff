"""Mixing of batches against the functions of scib-metrics, where it is installed."""

import sys

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from scivis._quality.batches import batch_measures, load_scib_metrics


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scib_metrics", None)
    with pytest.raises(ImportError, match="batch_key needs the package scib-metrics: run `pip install scib-metrics`"):
        load_scib_metrics()


@pytest.mark.slow
def test_measures_are_those_of_scib_metrics():
    scib = pytest.importorskip("scib_metrics")
    from scib_metrics.nearest_neighbors import NeighborsResults

    rng = np.random.default_rng(0)
    batches = rng.integers(0, 3, 400)
    mixed, apart = rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 0.8 * batches[:, None]
    found = list(batch_measures({"mixed": mixed, "apart": apart}, batches, rng))
    values = {(one.basis, one.measure): one for one in found}
    for basis, z in (("mixed", mixed), ("apart", apart)):
        distances, indices = NearestNeighbors(n_neighbors=90).fit(z).kneighbors(z)
        neighbors = NeighborsResults(indices=indices, distances=distances)
        expected = scib.ilisi_knn(neighbors, batches), scib.kbet(neighbors.subset_neighbors(n=50), batches)[0]
        assert values[basis, "ilisi"].value == pytest.approx(expected[0], abs=1e-4)
        assert values[basis, "kbet"].value == pytest.approx(expected[1])
    for measure in ("ilisi", "kbet"):
        good, bad = values["mixed", measure], values["apart", measure]
        assert good.value == pytest.approx(good.chance, abs=0.05)
        assert bad.row().high < bad.chance
        assert good.row().low <= good.value <= good.row().high
