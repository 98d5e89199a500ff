"""`scivis.tl.tsne(anchor=)`: between t-SNE at a weight of 0 and the anchor itself at infinity."""

import json

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis._methods import entry_of
from scivis._tsne.pack import unpack_model

SHORT = {"n_iter": 50, "n_jobs": 1}


@pytest.fixture
def cells(_pbmc):
    """200 cells with the coordinates of an anchor, of which the PCA is a part."""
    adata = AnnData(_pbmc.X[:200].copy(), obs=_pbmc.obs[:200].copy(), var=_pbmc.var.copy())
    adata.obsm["X_pca"] = _pbmc.obsm["X_pca"][:200].astype(np.float32)
    adata.obsm["X_mine"] = adata.obsm["X_pca"][:, 1:3] * (1, 3) + 7
    adata.obs["kept"] = np.arange(200) >= 20
    return adata


def correlation(one, other, rows=slice(None)):
    one, other = (x[rows] - x[rows].mean(axis=0) for x in (one, other))
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def test_a_weight_of_zero_is_t_sne(cells):
    plain = scivis.tl.tsne(cells, early_exaggeration_iter=10, n_iter=10, n_jobs=1, copy=True)
    scivis.tl.tsne(cells, anchor="X_mine", anchor_weight=0, early_exaggeration_iter=10, n_iter=10, n_jobs=1)
    assert_array_equal(cells.obsm["X_tsne"], plain.obsm["X_tsne"])


def test_an_infinite_weight_is_the_anchor_from_any_start(cells):
    scivis.tl.tsne(cells, anchor="X_mine", anchor_weight=np.inf, initialization="pca", **SHORT)
    assert_allclose(correlation(cells.obsm["X_tsne"], cells.obsm["X_mine"]), 1, atol=1e-6)


def test_a_larger_weight_is_nearer_to_the_anchor_and_farther_from_t_sne(cells):
    near, divergence = [], []
    for weight in (0.3, 100):
        scivis.tl.tsne(cells, anchor="X_mine", anchor_weight=weight, n_iter=100, n_jobs=1)
        near.append(correlation(cells.obsm["X_tsne"], cells.obsm["X_mine"]))
        divergence.append(cells.uns["tsne"]["kl_divergence"])
    assert near == sorted(near)
    assert divergence == sorted(divergence)


def test_the_start_is_the_anchor_in_the_size_of_a_t_sne(cells):
    scivis.tl.tsne(cells, anchor="X_pca", n_iter=0)
    assert_allclose(correlation(cells.obsm["X_tsne"], cells.obsm["X_pca"][:, :2]), 1)
    assert 5 < cells.obsm["X_tsne"].std() < 50
    assert cells.uns["tsne"]["params"]["initialization"] == "anchor"


def test_exempt_cells_may_lack_coordinates_and_the_others_stay(cells):
    cells.obsm["X_mine"][:20] = np.nan
    scivis.tl.tsne(cells, anchor="X_mine", anchor_mask="kept", anchor_weight=np.inf, **SHORT)
    assert_allclose(correlation(cells.obsm["X_tsne"], cells.obsm["X_mine"], slice(20, None)), 1, atol=1e-6)
    assert np.isfinite(cells.obsm["X_tsne"]).all()
    # They lie among their neighbors: near to the cells of their type.
    types, y = cells.obs["bulk_labels"].to_numpy(), cells.obsm["X_tsne"]
    own = [np.median(np.linalg.norm(y[20:][types[20:] == types[i]] - y[i], axis=1)) for i in range(20)]
    assert np.median(own) < np.median(np.linalg.norm(y[20:] - y[:20].mean(axis=0), axis=1))


def test_an_anchored_optimization_continues_from_a_file_with_the_same_bits(cells, tmp_path):
    whole = scivis.tl.tsne(cells, anchor="X_mine", anchor_mask="kept", anchor_weight=3, n_iter=30, n_jobs=1, copy=True)
    scivis.tl.tsne(cells, anchor="X_mine", anchor_mask="kept", anchor_weight=3, n_iter=10, n_jobs=1)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = read_h5ad(tmp_path / "cells.h5ad")
    continued = scivis.get.model(again, "tsne").optimize(20, learning_rate=200.0)
    scivis.tl.tsne(again, resume=True, n_iter=20)
    assert_array_equal(again.obsm["X_tsne"], whole.obsm["X_tsne"])
    assert_array_equal(np.asarray(continued), whole.obsm["X_tsne"])
    assert again.uns["tsne"]["params"]["anchor_weight"] == 3
    assert_allclose(again.uns["tsne"]["history"]["iteration"], [10, 30])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"anchor": "X_other"}, "'X_other' is not in adata.obsm"),
        ({"anchor": "X_mine", "n_components": 3, "negative_gradient_method": "bh"}, "at least 3 columns"),
        ({"anchor": "X_mine", "anchor_weight": -1}, "at least 0"),
        ({"anchor": "X_mine", "anchor_mask": "other"}, "'other' is not in adata.obs"),
        ({"anchor": "X_mine", "anchor_mask": "bulk_labels"}, "true and false, or numbers"),
        ({"anchor": "X_missing"}, "finite coordinates.*anchor_mask"),
        ({"anchor": 3}, "must be a key of adata.obsm"),
        ({"anchor": "X_mine", "key_added": "X_mine"}, "the result would replace"),
        ({"anchor": "X_tsne"}, "the result would replace"),
        ({"initialization": "anchor"}, "there is none"),
        ({"anchor_weight": 3}, "there is none: name it"),
        ({"anchor_mask": "kept"}, "there is none: name it"),
    ],
    ids=[
        "key",
        "columns",
        "weight",
        "mask",
        "text",
        "missing",
        "no key",
        "own key",
        "own default",
        "no anchor",
        "only a weight",
        "only a mask",
    ],
)
def test_invalid_anchors_are_rejected_before_any_work(cells, arguments, error):
    cells.obsm["X_missing"] = np.full((200, 2), np.nan)
    before = set(cells.obsm), set(cells.uns)
    with pytest.raises((KeyError, ValueError), match=error):
        scivis.tl.tsne(cells, **arguments)
    assert (set(cells.obsm), set(cells.uns)) == before


def test_models_of_earlier_versions_have_no_anchor(cells):
    scivis.tl.tsne(cells, **SHORT, early_exaggeration_iter=0)
    entry = entry_of(cells, "tsne")
    config = json.loads(entry["model"]["config"])
    for name in ("anchor", "anchor_weight", "anchor_mask"):
        del config["settings"][name]
    model = entry["model"] | {"config": json.dumps(config)}
    fitted = unpack_model(entry | {"model": model}, cells.obsm)
    assert not fitted.settings.is_anchored
