"""A small share of the fuzzing, and that it would see a failure."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

import scivis
from scivis._store.schema import fail

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Script = Callable[[str], ModuleType]


@pytest.mark.slow
@pytest.mark.parametrize(("section", "n"), [("entries", 400), ("files", 30), ("kills", 10), ("disks", 10)])
def test_every_promise_is_kept(script: Script, section: str, n: int, capsys: pytest.CaptureFixture[str]) -> None:
    """In a process of its own, which may have no memory for an enormous array, and may be forked."""
    results = list(script("fuzz").tried(section, 1, n))
    if section == "disks" and "no small disk" in capsys.readouterr().err:
        pytest.skip("no small disk can be mounted here")
    assert len(results) == n
    assert not [f"{promise}: {failure}" for promise, failure in results if failure]


def test_another_result_and_an_error_from_elsewhere_are_failures(script: Script, tmp_path: Path) -> None:
    def judged(read: Callable[[Path], list[np.ndarray]]) -> str | None:
        return script("fuzz_files").judged(read, tmp_path, [np.zeros(2)])

    assert judged(lambda _: [np.zeros(2)]) is None
    assert judged(lambda _: fail("it is damaged")) is None
    assert judged(lambda _: [np.ones(2)]) == "another result without an error"
    assert judged(lambda _: []) == "another result without an error"
    assert judged(lambda _: [np.zeros(2) + int("x")]) == "ValueError: invalid literal for int() with base 10: 'x'"


@pytest.mark.slow
def test_programs_that_an_entry_starts_are_seen(script: Script, fresh_process: Callable[..., str]) -> None:
    code = """
        import os
        from fuzz_entries import code_that_runs

        ran = code_that_runs()
        compile("1 + 1", "", "eval")
        assert not ran
        os.system("true")
        compile("__import__('os')", "", "eval")
        assert len(ran) == 2, ran
    """
    folder = str(Path(script("fuzz").__file__).parent)
    fresh_process(code, PYTHONPATH=os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]))


def test_every_damage_changes_one_file_as_the_seed_says(script: Script, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("one", "two"):
        (tmp_path / "a" / name).write_bytes(bytes(range(1, 200)))
    for seed in range(20):
        contents = []
        for _ in range(2):
            _, copy = script("fuzz_files").damaged_copy(tmp_path / "a", tmp_path / "b", Random(seed))
            contents.append([(copy / name).read_bytes() for name in ("one", "two")])
        assert contents[0] == contents[1]
        assert sum(content != bytes(range(1, 200)) for content in contents[0]) == 1


def test_calls_on_a_full_disk_without_a_remedy_or_with_litter_are_failures(
    script: Script, disk: Callable[[int], Path]
) -> None:
    disks, folder = script("fuzz_disks"), disk(1)

    def tried(call: Callable[[Path], object]) -> str | None:
        return disks.tried(call, folder, lambda: disks.filled(folder, 0))

    def littering(disk: Path) -> None:
        (disk / "half").touch()
        message = "Free some space."
        raise OSError(message)

    assert tried(lambda disk: (disk / "new").write_bytes(bytes(10_000))).startswith("no remedy: OSError")
    assert tried(littering).startswith("left behind, or lost: ['half']")
    assert tried(lambda disk: scivis.Ivis().save_model(disk / "new")) is None
