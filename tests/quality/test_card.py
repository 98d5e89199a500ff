"""The quality card against scikit-learn and SciPy, and its samples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score

from scivis._quality.card import measure_embeddings, pca
from scivis._quality.samples import sample_cells

# scikit-learn sorts distances in single precision: a few nearly equal ones change places.
ROUNDING = 1e-5
OF_LABELS = {"accuracy", "silhouette", "nearest_classes", "centroids_pearson", "centroids_spearman"}
BETWEEN_CLASSES = {"nearest_classes", "centroids_pearson", "centroids_spearman"}


@pytest.fixture
def card(points, plane):
    """Measures and bins of two embeddings, the classes, and the samples."""
    codes = np.digitize(points[:, 0], [-0.8, 0, 0.5, 1.2])
    codes[::50] = -1
    samples = sample_cells(codes, 400, np.random.default_rng(0))
    maps, rng = {"plane": plane, "itself": points}, np.random.default_rng(1)
    estimates, bins = measure_embeddings(points, maps, codes, [5, 20], samples, rng)
    return [one.row() for one in estimates], bins, codes, samples


def value(rows, measure, k=0):
    [row] = [row for row in rows if (row.basis, row.measure, row.k) == ("plane", measure, k)]
    return row.value


def test_card_agrees_with_libraries_that_have_the_measure(points, plane, card, sorted_neighbors):
    rows, _, codes, samples = card
    for k in (5, 20):
        trust = trustworthiness(points, plane, n_neighbors=k)
        continuity = trustworthiness(plane, points, n_neighbors=k)
        assert value(rows, "trustworthiness", k) == pytest.approx(trust, abs=ROUNDING)
        assert value(rows, "continuity", k) == pytest.approx(continuity, abs=ROUNDING)
    distances = pdist(points[samples.cells]), pdist(plane[samples.cells])
    assert value(rows, "pearson") == pytest.approx(pearsonr(*distances)[0])
    assert value(rows, "spearman") == pytest.approx(spearmanr(*distances)[0])
    labeled = codes >= 0
    assert value(rows, "silhouette") == pytest.approx(silhouette_score(plane[labeled], codes[labeled]), rel=1e-5)
    centers = [
        np.array([x[codes == code].mean(axis=0) for code in range(5)])
        for x in (points.astype(float), plane.astype(float))
    ]
    assert value(rows, "centroids_pearson") == pytest.approx(pearsonr(*map(pdist, centers))[0], rel=1e-4)
    assert value(rows, "centroids_spearman") == pytest.approx(spearmanr(*map(pdist, centers))[0], rel=1e-4)
    found = [sorted_neighbors(x, 20)[0] for x in (points, plane)]
    recall = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(*found, strict=True)])
    assert value(rows, "recall", 20) == pytest.approx(recall)
    radii = [sorted_neighbors(x, 20)[1].mean(axis=1) for x in (points, plane)]
    assert value(rows, "density", 20) == pytest.approx(spearmanr(*radii)[0], rel=1e-4)


def test_all_measures_of_a_perfect_embedding_are_one(card):
    rows, bins, *_ = card
    itself = [row.value for row in rows if row.basis == "itself" and row.measure not in ("accuracy", "silhouette")]
    assert_allclose(itself, 1)
    edges, filled = bins["itself"].edges, bins["itself"].counts > 0
    middle = (edges[:-1] + edges[1:]) / 2
    assert_allclose(bins["itself"].quantiles[filled, 2], middle[filled], atol=np.diff(edges)[0] / 2)


def test_rows_have_the_same_order_for_each_embedding(card):
    rows, *_ = card
    order = {name: [(r.aspect, r.measure, r.k) for r in rows if r.basis == name] for name in ("plane", "itself")}
    assert order["plane"] == order["itself"]
    assert [row.basis for row in rows] == ["plane"] * len(order["plane"]) + ["itself"] * len(order["itself"])
    assert order["plane"][:3] == [("local", "recall", 5), ("local", "recall", 20), ("local", "trustworthiness", 5)]


def test_only_the_mantel_test_has_a_p_value(card):
    rows, *_ = card
    assert {row.measure for row in rows if np.isfinite(row.p)} == {"centroids_pearson", "centroids_spearman"}
    assert all(0.001 <= row.p <= 1 for row in rows if np.isfinite(row.p))


@pytest.mark.parametrize(("n_classes", "missing"), [(1, OF_LABELS), (3, BETWEEN_CLASSES), (4, set())])
def test_few_classes_have_fewer_measures(points, plane, n_classes, missing):
    codes = np.arange(400) % n_classes
    samples = sample_cells(codes, 50, np.random.default_rng(0))
    found, _ = measure_embeddings(points, {"plane": plane}, codes, [5], samples, np.random.default_rng(1))
    assert {row.measure for row in found if row.measure in OF_LABELS} == OF_LABELS - missing


def test_distances_between_very_many_classes_are_not_measured(points, plane, monkeypatch):
    monkeypatch.setattr("scivis._quality.class_measures._MAX_CLASSES", 4)
    codes = np.arange(400) % 5
    samples = sample_cells(codes, 50, np.random.default_rng(0))
    found, _ = measure_embeddings(points, {"plane": plane}, codes, [5], samples, np.random.default_rng(1))
    assert {row.measure for row in found if row.measure in OF_LABELS} == OF_LABELS - BETWEEN_CLASSES


def test_values_lie_in_their_intervals(card):
    rows, *_ = card
    assert all(row.low <= row.value <= row.high for row in rows)
    assert all(row.low < row.high for row in rows if row.basis == "plane")


@pytest.mark.slow
def test_a_map_whose_rows_are_in_random_order_is_as_good_as_chance(points, plane):
    codes = np.arange(400) % 5
    samples = sample_cells(codes, 400, np.random.default_rng(0))
    maps = {str(seed): np.random.default_rng(seed).permutation(plane) for seed in range(20)}
    found, _ = measure_embeddings(points, maps, codes, [5, 20], samples, np.random.default_rng(1))
    for measure, k in {(one.measure, one.k) for one in found}:
        values, chances = zip(*[(o.value, o.chance) for o in found if (o.measure, o.k) == (measure, k)], strict=True)
        error = np.hypot(np.std(values), np.std(chances)) / np.sqrt(20)
        assert np.mean(values) == pytest.approx(np.mean(chances), abs=4 * error), measure


def test_samples_have_the_documented_sizes():
    codes = np.repeat([0, 1, -1], 5000)
    samples = sample_cells(codes, 100, np.random.default_rng(0))
    assert len(set(samples.cells)) == 100
    assert len(set(samples.landmarks)) == 10_000
    assert samples.triplets.shape == (3, 20_000)
    assert sorted(samples.labeled) == list(range(10_000))
    assert samples.permutations.shape == (999, 2)


def test_pca_is_that_of_scikit_learn(points):
    ours, theirs = pca(points), PCA(2).fit_transform(points)
    assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)
    assert pca(points[:, :1]).shape == (400, 1)
