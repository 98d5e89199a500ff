"""Rows in a temporary file."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scivis.data._spill import RowFile


def test_a_row_file_returns_what_was_written():
    x = np.random.default_rng(0).normal(size=(1000, 7)).astype(np.float32)
    rows = RowFile.of((x[a : a + 300] for a in range(0, 1000, 300)), (1000, 7))
    np.testing.assert_array_equal(rows[:], x)
    np.testing.assert_array_equal(rows[250:620], x[250:620])
    np.testing.assert_array_equal(rows[990:2000], x[990:])
    assert rows[5:5].shape == (0, 7)
    np.testing.assert_array_equal(rows.mapped()[[3, 999, 3]], x[[3, 999, 3]])


def test_a_memory_map_outlives_the_row_file_and_cannot_be_changed():
    rows = RowFile.of([np.eye(3)], (3, 3)).mapped()
    np.testing.assert_array_equal(rows, np.eye(3))
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 2


def test_too_little_space_on_the_disk_is_an_error_before_anything_is_written(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(OSError, match=r"rows needs up to 4\.0 kB, but .* has 0\.1 kB left\. Set TMPDIR"):
        RowFile((100, 10))


def test_a_disk_that_fills_up_meanwhile_is_an_error(disk, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(disk(1)))
    monkeypatch.setattr("scivis.data._spill.check_space", lambda *_: None)
    with pytest.raises(OSError, match=r"its disk is full.* set TMPDIR to a larger disk"):
        RowFile.of((np.ones((100_000, 1)) for _ in range(5)), (500_000, 1))
