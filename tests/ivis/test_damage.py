"""Damaged files of models and of checkpoints: rejected with a reason and a remedy."""

from __future__ import annotations

import pytest

from scivis import Ivis
from scivis._ivis.checkpoint import Checkpoint
from scivis._store.hdf5 import signed

REJECTED = r"stored model cannot be used: .*\. Fit it again, or read the file again from its source"


def check_rejected(folder, reason=""):
    """The folder is rejected with a reason and a remedy, and the estimator is not changed."""
    model = Ivis(k=77)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=REJECTED) as caught:
        model.load_model(folder)
    assert reason in str(caught.value)
    assert vars(model) == before


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_rejected(folder, share):
    content = (folder / "model.h5").read_bytes()
    (folder / "model.h5").write_bytes(content[: int(share * len(content))])
    check_rejected(folder, "is damaged, or no model of scivis")


@pytest.mark.parametrize("content", [b"\x80\x04N.", b"{}", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"], ids=repr)
def test_a_file_of_another_kind_is_rejected(folder, content):
    (folder / "model.h5").write_bytes(content)
    check_rejected(folder, "is damaged, or no model of scivis")
    (folder / "model.h5").write_bytes(bytes(512) + content)
    (folder / "model.h5").write_bytes(signed((folder / "model.h5").read_bytes()))
    check_rejected(folder, "not a complete HDF5 file")


@pytest.mark.slow
def test_random_damage_is_noticed_before_the_hdf5_library_reads_it(folder, fresh_process):
    """In a process of its own, which the HDF5 library could end, or never return from."""
    printed = fresh_process(f"""
        from pathlib import Path
        import numpy as np
        from scivis import Ivis

        file = Path({str(folder)!r}, "model.h5")
        whole = np.frombuffer(file.read_bytes(), np.uint8)
        for seed in range(200):
            rng, damaged = np.random.default_rng(seed), whole.copy()
            places = rng.choice(len(whole), rng.choice([1, 3, 10, 100]), replace=False)
            damaged[places] += rng.integers(1, 256, len(places), np.uint8)
            file.write_bytes(damaged.tobytes())
            try:
                Ivis().load_model(file.parent)
            except ValueError as error:
                print(type(error).__name__)
    """)
    assert printed.split() == ["UnusableModelError"] * 200


def test_a_damaged_description_of_a_checkpoint_is_rejected(tmp_path):
    (tmp_path / "call.json").write_text('{"epo')
    with pytest.raises(ValueError, match=r"cannot be read. Remove the folder"):
        Checkpoint.open(tmp_path, {"epochs": 1})
