"""Tables of placed cells, and processes with a time limit."""

from __future__ import annotations

import pytest


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
