"""The measures of `scivis._quality` against scikit-learn, SciPy, and numbers worked out by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import pearsonr, spearmanr
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from scivis import _quality as measures

ALL = np.arange(400)
# scikit-learn sorts distances in single precision: a few nearly equal ones change places.
ROUNDING = 1e-5


@pytest.fixture
def plane(points):
    """A map that keeps something of the 8 columns and loses more."""
    return np.tanh(points[:, :2]) + 0.1 * points[:, 2:4]


def naive_nearest(x, k):
    """By sorting all distances."""
    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    order = distances.argsort(axis=1)[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


# neighbours


@pytest.mark.parametrize("width", [2, 8, 20])  # by a tree and by comparing all pairs
def test_nearest_are_the_nearest(points, width):
    x = np.tile(points, 3)[:, :width] * np.arange(1, width + 1)
    found, distances = measures.nearest(x, ALL[50:90], 7)
    expected, far = naive_nearest(x, 7)
    assert_array_equal(found, expected[50:90])
    assert_allclose(distances, far[50:90], rtol=1e-4)


@pytest.mark.parametrize("width", [2, 12])
def test_no_cell_is_its_own_neighbour_even_among_duplicates(width):
    x = np.zeros((30, width), np.float32)
    x[20:] += np.arange(1, 11)[:, None]
    found, distances = measures.nearest(x, np.arange(30), 5)
    assert found.shape == (30, 5)
    assert not (found == np.arange(30)[:, None]).any()
    assert (found[:20] < 20).all()
    assert_allclose(distances[:20], 0, atol=1e-3)


def test_neighbors_kept_of_the_same_rows_is_one_and_of_a_mirrored_order_too(points):
    found, _ = measures.nearest(points, ALL, 10)
    assert measures.neighbors_kept(found, found[:, ::-1]) == 1


def test_neighbors_kept_counts_by_hand():
    assert measures.neighbors_kept([[1, 2, 3], [4, 5, 6]], [[3, 9, 1], [7, 8, 9]]) == pytest.approx(1 / 3)


def test_neighbors_kept_of_unrelated_maps_is_chance(points):
    other = np.random.default_rng(3).permutation(points)
    kept = measures.neighbors_kept(measures.nearest(points, ALL, 40)[0], measures.nearest(other, ALL, 40)[0])
    assert kept == pytest.approx(40 / 399, abs=0.01)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_mean_trust_is_the_trustworthiness_of_scikit_learn(points, plane, k):
    [rank] = measures.ranks(points, ALL, [measures.nearest(plane, ALL, k)[0]], ALL)
    assert measures.trust(rank, 400).mean() == pytest.approx(
        trustworthiness(points, plane, n_neighbors=k), abs=ROUNDING
    )
    [rank] = measures.ranks(plane, ALL, [measures.nearest(points, ALL, k)[0]], ALL)
    assert measures.trust(rank, 400).mean() == pytest.approx(
        trustworthiness(plane, points, n_neighbors=k), abs=ROUNDING
    )


def test_ranks_are_those_of_a_full_sort(points, plane):
    found, _ = measures.nearest(plane, ALL[:30], 6)
    [rank] = measures.ranks(points, ALL[:30], [found], ALL)
    full = naive_nearest(points, 399)[0][:30]
    expected = [[list(full[i]).index(j) + 1 for j in found[i]] for i in range(30)]
    assert_array_equal(rank, expected)


def test_several_matrices_are_ranked_at_once_as_one_by_one(points, plane):
    some = [measures.nearest(plane, ALL[:20], 3)[0], measures.nearest(points, ALL[:20], 5)[0]]
    together = measures.ranks(points, ALL[:20], some, ALL[100:250])
    for matrix, rank in zip(some, together, strict=True):
        assert_array_equal(rank, measures.ranks(points, ALL[:20], [matrix], ALL[100:250])[0])
    assert_array_equal(measures.ranks(points, ALL[:20], some, ALL)[1], np.tile(np.arange(1, 6), (20, 1)))


def test_ranks_among_landmarks_estimate_the_true_ones(points, plane):
    found, _ = measures.nearest(plane, ALL, 15)
    [exact] = measures.ranks(points, ALL, [found], ALL)
    [estimated] = measures.ranks(points, ALL, [found], ALL[::2])
    assert estimated.mean() == pytest.approx(exact.mean(), rel=0.02)
    assert np.corrcoef(estimated.ravel(), exact.ravel())[0, 1] > 0.98


def test_a_cell_among_strangers_is_not_trusted():
    x = np.array([[0.0], [1], [2], [3], [100], [101], [102], [103]])
    z = x.copy()
    z[0] = 102.5  # drawn into the other group
    trust = measures.trust_everywhere(x, {"map": z}, 3, np.random.default_rng(0))["map"]
    assert trust.argmin() == 0
    # Its three nearest on the map are the farthest but one, … : ranks 5, 6, 7 of 7, the worst there can be.
    assert trust[0] == pytest.approx(1 - 2 * (3 + 4 + 2) / (3 * (16 - 9 - 1)), abs=1e-6)
    assert_array_equal(trust[1:4] > 0.7, [True] * 3)


def test_trust_everywhere_is_exact_up_to_500_cells_and_close_above(points, plane):
    exact = measures.trust_everywhere(points, {"map": plane}, 15, np.random.default_rng(0))["map"]
    assert exact.dtype == np.float32
    assert exact.mean() == pytest.approx(trustworthiness(points, plane, n_neighbors=15), abs=ROUNDING)
    many = np.random.default_rng(5).normal(size=(1500, 6)).astype(np.float32)
    rough = measures.trust_everywhere(many, {"map": many[:, :2]}, 15, np.random.default_rng(0))["map"]
    assert rough.mean() == pytest.approx(trustworthiness(many, many[:, :2], n_neighbors=15), abs=0.015)


def test_density_kept_is_the_rank_correlation_of_radii(points, plane):
    before, after = naive_nearest(points, 10)[1], naive_nearest(plane, 10)[1]
    expected = spearmanr(before.mean(axis=1), after.mean(axis=1))[0]
    assert measures.density_kept(before, after) == pytest.approx(expected)
    assert measures.density_kept(before, -before) == pytest.approx(-1)


# distances


def test_triplets_are_counted_by_hand():
    x, z = np.array([[0.0], [1], [5], [6]]), np.array([[0.0], [1], [5], [2]])
    # nearer to 0 is 1 (kept); nearer to 0 is 2, not 3 (lost); nearer to 3 is 2 (lost)
    assert measures.triplets_kept(x, z, np.array([[0, 0, 3], [1, 2, 2], [2, 3, 0]])) == pytest.approx(1 / 3)


def test_triplets_of_a_rotated_and_scaled_map_are_all_kept_and_of_any_map_half(points):
    rng = np.random.default_rng(0)
    triplets = rng.integers(0, 400, (3, 20_000))
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert measures.triplets_kept(points, 3 * points.astype(float) @ rotation, triplets) > 0.999
    assert measures.triplets_kept(points, rng.normal(size=(400, 2)), triplets) == pytest.approx(0.5, abs=0.02)


def test_boxes_are_percentiles_of_their_bins():
    rng = np.random.default_rng(0)
    before, after = rng.uniform(2, 7, 3000), rng.normal(size=3000)
    before[0], before[1] = 2, 7
    boxes = measures.distance_boxes(before, after, n_bins=5)
    assert_allclose(boxes.edges, [2, 3, 4, 5, 6, 7])
    assert_array_equal(boxes.counts, np.histogram(before, boxes.edges)[0])
    inside = after[(before >= 3) & (before < 4)]
    assert_allclose(boxes.quantiles[1], np.percentile(inside, [5, 25, 50, 75, 95]))


def test_an_empty_bin_has_no_box():
    boxes = measures.distance_boxes([0.0, 0.1, 1.0], [1.0, 2.0, 3.0], n_bins=3)
    assert_array_equal(boxes.counts, [2, 0, 1])
    assert_array_equal(np.isnan(boxes.quantiles[:, 0]), [False, True, False])


# labels


def test_accuracy_is_that_of_scikit_learns_classifier(points):
    codes = (points[:, 0] + points[:, 1] > 0).astype(int)
    expected = KNeighborsClassifier(10).fit(points[:300, :2], codes[:300]).score(points[300:, :2], codes[300:])
    assert measures.label_accuracy(points[:, :2], codes) == expected
    assert 0.9 < expected < 1


def test_mantel_is_pearson_with_a_p_value_by_permutation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 4))
    orders = np.array([rng.permutation(9) for _ in range(200)])
    z = x[:, :2] + 0.1 * rng.normal(size=(9, 2))
    r, p = measures.mantel(pdist(x), pdist(z), orders)
    assert r == pytest.approx(pearsonr(pdist(x), pdist(z))[0])
    by_hand = [pearsonr(pdist(x), pdist(z[order]))[0] for order in orders]
    assert p == pytest.approx((1 + np.sum(np.array(by_hand) >= r)) / 201)


def test_mantel_of_the_same_points_has_the_smallest_p_and_of_others_any():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 3))
    orders = np.array([rng.permutation(12) for _ in range(999)])
    assert measures.mantel(pdist(x), pdist(x), orders) == (pytest.approx(1), 0.001)
    chance = [measures.mantel(pdist(x), pdist(rng.normal(size=(12, 2))), orders)[1] for _ in range(20)]
    assert min(chance) < 0.4
    assert max(chance) > 0.6


def test_mantel_counts_the_given_order_among_ties():
    distances = pdist(np.eye(3)[:, :2])
    orders = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    same = np.corrcoef(distances, squareform(squareform(distances)[np.ix_(orders[2], orders[2])]))[0, 1]
    _, p = measures.mantel(distances, distances, orders)
    assert p == (1 + 2 + (same > 0.999)) / 4


def test_nearest_classes_by_hand():
    before = np.array([[0.0], [1.0], [3.0], [6.5]])  # nearest: 1, 0, 1, 2
    after = np.array([[0.0], [1.0], [1.5], [9.0]])  # nearest: 1, 2, 1, 2
    assert measures.nearest_classes_kept(before, after, 1) == 0.75
    assert measures.nearest_classes_kept(before, before * 4, 2) == 1


# the card


@pytest.fixture
def judged(points, plane):
    codes = np.digitize(points[:, 0], [-0.8, 0, 0.5, 1.2])
    codes[::50] = -1
    samples = measures.draw_samples(codes, 400, np.random.default_rng(0))
    rows, boxes = measures.judge(points, {"plane": plane, "itself": points}, codes, [5, 20], samples)
    return rows, boxes, codes, samples


def value(rows, basis, measure, k=None):
    [row] = [row for row in rows if (row.basis, row.measure, row.k) == (basis, measure, k)]
    return row.value


def test_the_card_agrees_with_libraries_where_they_have_the_measure(points, plane, judged):
    rows, _, codes, samples = judged
    for k in (5, 20):
        assert value(rows, "plane", "trustworthiness", k) == pytest.approx(
            trustworthiness(points, plane, n_neighbors=k), abs=ROUNDING
        )
        assert value(rows, "plane", "continuity", k) == pytest.approx(
            trustworthiness(plane, points, n_neighbors=k), abs=ROUNDING
        )
    distances = pdist(points[samples.cells]), pdist(plane[samples.cells])
    assert value(rows, "plane", "pearson") == pytest.approx(pearsonr(*distances)[0])
    assert value(rows, "plane", "spearman") == pytest.approx(spearmanr(*distances)[0])
    known = codes >= 0
    assert value(rows, "plane", "silhouette") == pytest.approx(silhouette_score(plane[known], codes[known]), rel=1e-5)
    centres = [
        np.array([x[codes == code].mean(axis=0) for code in range(5)])
        for x in (points.astype(float), plane.astype(float))
    ]
    assert value(rows, "plane", "centroids_pearson") == pytest.approx(pearsonr(*map(pdist, centres))[0], rel=1e-4)
    assert value(rows, "plane", "centroids_spearman") == pytest.approx(spearmanr(*map(pdist, centres))[0], rel=1e-4)
    found = [naive_nearest(x, 20)[0] for x in (points, plane)]
    kept = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(*found, strict=True)])
    assert value(rows, "plane", "recall", 20) == pytest.approx(kept)


def test_a_perfect_map_has_ones(judged):
    rows, boxes, *_ = judged
    own = {(row.measure, row.k): row.value for row in rows if row.basis == "itself"}
    relative = {("accuracy", None), ("silhouette", None)}
    assert_allclose([v for name, v in own.items() if name not in relative], 1)
    middle = (boxes["itself"].edges[:-1] + boxes["itself"].edges[1:]) / 2
    full = boxes["itself"].counts > 0
    half_a_bin = np.diff(boxes["itself"].edges)[0] / 2
    assert_allclose(boxes["itself"].quantiles[full, 2], middle[full], atol=half_a_bin)


def test_rows_come_map_by_map_in_one_order(judged):
    rows, *_ = judged
    by_map = {name: [(r.aspect, r.measure, r.k) for r in rows if r.basis == name] for name in ("plane", "itself")}
    assert by_map["plane"] == by_map["itself"]
    assert [row.basis for row in rows] == ["plane"] * len(by_map["plane"]) + ["itself"] * len(by_map["itself"])
    assert by_map["plane"][:3] == [("local", "recall", 5), ("local", "recall", 20), ("local", "trustworthiness", 5)]


def test_only_the_mantel_test_has_a_p_value(judged):
    rows, *_ = judged
    assert {row.measure for row in rows if np.isfinite(row.p)} == {"centroids_pearson", "centroids_spearman"}
    assert all(0.001 <= row.p <= 1 for row in rows if np.isfinite(row.p))


@pytest.mark.parametrize(
    ("n_classes", "missing"),
    [
        (1, {"accuracy", "silhouette", "nearest_classes", "centroids_pearson", "centroids_spearman"}),
        (3, {"nearest_classes", "centroids_pearson", "centroids_spearman"}),
        (4, set()),
    ],
)
def test_few_classes_have_fewer_measures(points, plane, n_classes, missing):
    codes = ALL % n_classes
    samples = measures.draw_samples(codes, 50, np.random.default_rng(0))
    rows, _ = measures.judge(points, {"plane": plane}, codes, [5], samples)
    labels = {"accuracy", "silhouette", "nearest_classes", "centroids_pearson", "centroids_spearman"}
    assert {row.measure for row in rows if row.aspect == "labels"} == labels - missing


def test_samples_are_what_they_say():
    codes = np.repeat([0, 1, -1], 5000)
    samples = measures.draw_samples(codes, 100, np.random.default_rng(0))
    assert len(set(samples.cells)) == 100
    assert len(set(samples.landmarks)) == 10_000
    assert samples.triplets.shape == (3, 20_000)
    assert sorted(samples.labelled) == list(range(10_000))
    assert samples.orders.shape == (999, 2)


def test_pca_is_that_of_scikit_learn(points):
    ours, theirs = measures.pca(points), PCA(2).fit_transform(points)
    assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)
    assert measures.pca(points[:, :1]).shape == (400, 1)
