"""Alterations follow from the seed, and errors of scivis are told from others; `test_fuzz.py` uses both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@pytest.fixture(scope="module")
def mutants(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("mutants")


def test_errors_of_scivis_are_told_from_others(mutants: ModuleType) -> None:
    def raised(call: Callable[[], Any]) -> bool:
        try:
            call()
        except Exception as error:  # noqa: BLE001
            return mutants.is_own(error)
        pytest.fail("there was no error")

    adata = ad.AnnData(np.ones((5, 2), np.float32))
    assert raised(lambda: scivis.get.model(adata))
    assert not raised(lambda: scivis.get.model(None))  # an AttributeError
    assert not raised(lambda: np.asarray([[1], [1, 2]]))


def test_mutants_follow_from_the_seed_and_leave_the_entry(mutants: ModuleType) -> None:
    entry = {"model": {"weights": {"000": np.ones((2, 3), np.float32)}, "config": '{"a": {"b": 1}}'}, "method": "ivis"}
    one, other, third = ([what for what, _ in mutants.mutants(entry, seed, 40)] for seed in (0, 0, 1))
    assert one == other != third
    assert entry["model"]["config"] == '{"a": {"b": 1}}'
    assert (entry["model"]["weights"]["000"] == 1).all()
