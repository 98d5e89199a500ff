"""Results are written as a whole, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest

from scivis._adata.results import Results
from scivis._store.digest import check_seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coordinates_that_are_not_finite_are_not_written(
    value: float, dtype: type, contents: Callable[[AnnData], str]
) -> None:
    cells, good, bad = ad.AnnData(np.ones((4, 2))), np.ones((4, 2), dtype), np.ones((4, 2), dtype)
    bad[1, 0] = bad[3, 1] = value
    before = contents(cells)
    results = Results(obsm={"X_good": good, "X_bad": bad}, obs={"novelty": np.ones(4)}, uns={"bad": {"a": 1}})
    message = r"Nothing was written: adata.obsm\['X_bad'\] would hold NaN or infinite values for 2 of 4 cells.* row 1"
    with pytest.raises(ValueError, match=message):
        results.write(cells)
    assert contents(cells) == before


def test_entries_with_a_model_are_sealed_and_others_are_not() -> None:
    cells = ad.AnnData(np.ones((4, 2)))
    Results(uns={"ivis": {"model": {"weights": np.ones(2)}}, "card": {"table": 1}}).write(cells)
    assert check_seal(cells.uns["ivis"]) == cells.uns["ivis"]["digest"]
    assert cells.uns["card"] == {"table": 1}
