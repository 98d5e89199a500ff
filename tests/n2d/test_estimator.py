"""`scivis.N2D`: results for fitted and new rows, novelty, and rows that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from scivis import N2D
from scivis.n2d import UmapGMM

pytestmark = pytest.mark.usefixtures("op_by_op")


def test_attributes_describe_the_fitted_rows(fitted, rows):
    assert fitted.latent_.shape == (240, 3)
    assert fitted.embedding_.shape == (240, 2)
    assert fitted.labels_.shape == (240,)
    # Other rows do not change them.
    assert fitted.encode(rows[:9]).shape == (9, 3)
    assert fitted.transform(rows[:9]).shape == (9, 2)
    assert fitted.latent_.shape == (240, 3)


def test_fitted_rows_are_predicted_to_be_in_their_clusters(fitted, rows):
    assert (fitted.predict(rows) == fitted.labels_).mean() >= 0.98
    proba = fitted.predict_proba(rows)
    assert proba.shape == (240, 4)
    assert_allclose(proba.sum(axis=1), 1, atol=1e-9)
    assert_array_equal(proba.argmax(axis=1), fitted.labels_)


def test_fit_predict_returns_the_clusters(rows, small, linear):
    model = N2D(small(), linear())
    labels = model.fit_predict(rows, epochs=2)
    assert_array_equal(labels, model.labels_)


def test_no_rows_give_empty_results(fitted, rows):
    none = rows[:0]
    assert fitted.predict(none).shape == (0,)
    assert fitted.predict_proba(none).shape == (0, 4)
    assert fitted.transform(none).shape == (0, 2)


def test_novelty_grows_with_the_distance_from_the_data(fitted, rows):
    near, far = fitted.novelty(rows), fitted.novelty(rows + 100)
    assert np.quantile(near, 0.95) <= 1
    assert far.min() > 10


def test_rows_that_are_not_finite_or_have_another_width_are_rejected(rows, fitted, small, linear):
    rows[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        N2D(small(), linear()).fit(rows)
    with pytest.raises(ValueError, match="row 3"):
        fitted.predict(rows)
    with pytest.raises(ValueError, match="shape"):
        fitted.predict(rows[:, :4])


def test_an_unfitted_model_raises_not_fitted_errors(rows, small):
    model = N2D(small(), UmapGMM(4))
    for call in (model.predict, model.predict_proba, model.transform, model.novelty, model.assess, small().transform):
        with pytest.raises(NotFittedError):
            call(rows)
