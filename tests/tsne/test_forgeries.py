"""Stored t-SNEs that were altered."""

import json

import numpy as np
import pytest

import scivis


@pytest.fixture(scope="module")
def stored(part):
    """200 cells with a t-SNE; no test may change them."""
    adata = part(slice(200))
    scivis.tl.tsne(adata, early_exaggeration_iter=0, n_iter=2)
    return adata


def change(entry, **config):
    stored = json.loads(entry["model"]["config"])
    stored["settings"] |= config
    entry["model"]["config"] = json.dumps(stored)


@pytest.mark.parametrize(
    ("alter", "error"),
    [
        pytest.param(lambda e: e["model"].pop("gains"), "lacks", id="missing"),
        pytest.param(lambda e: e["model"].update(format=99), "format 99", id="newer format"),
        pytest.param(lambda e: e["model"].update(config="[]"), "config is not a JSON object", id="no object"),
        pytest.param(lambda e: change(e, spam=1), "exactly the settings", id="unknown setting"),
        pytest.param(lambda e: change(e, dof=-1), "dof=-1", id="negative setting"),
        pytest.param(lambda e: change(e, n_components=3), "do not have 3 columns", id="other n_components"),
        pytest.param(lambda e: change(e, random_state="x"), "random_state", id="seed"),
        pytest.param(lambda e: change(e, metric=["x"]), "metric", id="metric"),
        pytest.param(lambda e: e["model"].update(gains=np.full((200, 2), np.nan)), "gains is not .* finite", id="NaN"),
        pytest.param(lambda e: e["model"].update(gains=np.ones((3, 2))), r"state has shape \(3, 2\)", id="too short"),
        pytest.param(lambda e: e["model"].update(landmarks=np.ones(3)), "landmarks", id="landmarks"),
        pytest.param(lambda e: e["model"].update(landmark_unit=-1.0), "landmark_unit", id="unit"),
        pytest.param(lambda e: e.update(params={}), "params", id="params"),
    ],
)
def test_altered_models_are_rejected(stored, alter, error):
    fitted = stored.copy()
    alter(fitted.uns["tsne"])
    with pytest.raises(ValueError, match=error):
        scivis.get.model(fitted, "tsne")
