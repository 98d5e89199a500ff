"""60 rows with three classes, and a model that is fitted to them."""

from __future__ import annotations

import numpy as np
import pytest

from scivis import Ivis


@pytest.fixture(scope="session")
def rows():
    """60 rows of four normally distributed numbers."""
    return np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


@pytest.fixture(scope="session")
def labels():
    """Three classes of equal size."""
    return np.arange(60) % 3


@pytest.fixture(scope="session")
def settings():
    """Settings with which training takes little time. Two layers have dropout between them, which is random."""
    return {
        "k": 8, "batch_size": 30, "epochs": 2, "model": [8, 8], "verbose": 0, "random_state": 0,
        "n_epochs_without_progress": None,
    }  # fmt: skip


@pytest.fixture(scope="session")
def labeled(rows, labels, settings, eagerly):
    """A model that is fitted with labels. Tests that change it take a copy."""
    with eagerly():
        return Ivis(**settings).fit(rows, labels)


@pytest.fixture(scope="session")
def _saved(labeled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    labeled.save_model(folder)
    return (folder / "model.h5").read_bytes()


@pytest.fixture
def folder(_saved, tmp_path):
    """A folder with the saved model, which a test may alter."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "model.h5").write_bytes(_saved)
    return path
