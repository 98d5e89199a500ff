"""Tables of placed cells, and processes with a time limit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from anndata import AnnData


def run(fold: str, method: str, seed: int, recall: float, **more) -> dict:
    row = {
        "fold": fold,
        "method": method,
        "seed": seed,
        "fit_seconds": 2,
        "place_seconds": 1,
        "knn": 0.25,
        "new_acc": 0.5,
    }
    return row | {"recall": recall} | more


def test_a_table_has_means_over_seeds_and_over_common_folds(script):
    rows = [
        run("pbmc3k", "UMAP", 0, 0.2),
        run("pbmc3k", "UMAP", 1, 0.4),
        run("pbmc3k", "scivis", 0, 0.5),
        run("mnist", "UMAP", 0, 0.7),
        run("mnist", "scivis", 0, 0.9),
        run("pendigits", "UMAP", 0, 0.1),
        {"fold": "pendigits", "method": "scivis", "seed": 0, "failed": "more than 5 s"},
    ]
    lines = script("place").tables(rows).splitlines()
    assert "| pbmc3k | UMAP | 2 | 2.0 | 1.0 | 0.250 ± 0.000 | 0.300 ± 0.141 | 0.500 ± 0.000 |" in lines
    assert "| pendigits | scivis | 0 | more than 5 s | – | – | – | – |" in lines
    assert "| mean of 2 | UMAP |  |  |  | 0.250 | 0.500 | 0.500 |" in lines
    assert "| mean of 2 | scivis |  |  |  | 0.250 | 0.700 | 0.500 |" in lines


def test_folds_within_and_across_are_not_mixed(script):
    text = script("place").tables([run("pbmc3k", "UMAP", 0, 0.2), run("kang_scgen_valid", "UMAP", 0, 0.4)])
    within, across = text.split("Across batches")
    assert "pbmc3k" in within
    assert "pbmc3k" not in across
    assert "kang" in across


def test_a_process_that_takes_too_long_is_ended(script):
    with pytest.raises(TimeoutError, match=r"longer than 0\.01 s"):
        script("machine").run_script("folds.py", "--help", limit=0.01)


@pytest.mark.slow
def test_an_interrupted_measurement_goes_on_where_it_stopped(script, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b"], 120)
    x = rng.integers(0, 50, (120, 16)) + 50 * (label == "b")[:, None]
    AnnData(x.astype(np.uint8), obs={"label": label}).write_h5ad(tmp_path / "pendigits.h5ad")
    folders = ["--data", tmp_path, "--cache", tmp_path / "cache", "--out", tmp_path / "runs"]

    def place(*methods: str) -> list[dict]:
        options = [*folders, "--datasets", "pendigits", "--seeds", 0, 1, "--methods", *methods]
        monkeypatch.setattr("sys.argv", ["place.py", *map(str, options)])
        script("place").main()
        return json.loads((tmp_path / "runs" / "place.json").read_text())

    first = place("10-NN")
    assert [(row["seed"], row["recall"], row["new_acc"]) for row in first] == [(0, 1, 1), (1, 1, 1)]
    both = place("10-NN", "PCA")
    assert both[:2] == first
    assert [row["method"] for row in both[2:]] == ["PCA", "PCA"]
    # Two clusters along one direction: the first two components have all labels and a part of the neighbors.
    assert both[2]["new_acc"] == 1
    assert 0.1 < both[2]["recall"] < 0.9
    assert "| pendigits | PCA | 2 |" in (tmp_path / "runs" / "place.md").read_text()
