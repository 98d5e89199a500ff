"""Environments in which scivis is tried."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def environments(script):
    return script("environments")


def test_the_oldest_releases_are_the_lower_bounds_of_all_requirements(environments):
    declared = tomllib.loads((environments.ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in declared}
    bounds = dict(bound.split("==") for bound in environments.lower_bounds())
    assert set(bounds) == names
    assert (bounds["numpy"], bounds["scanpy"]) == ("2.0.*", "1.11.*")


def test_without_a_compiler_none_is_in_path(environments, tmp_path):
    variables = environments.variables_of(environments.ENVIRONMENTS["no-compiler"], tmp_path)
    assert variables["PATH"] == str(tmp_path / "bin")
    assert "PYTHONPATH" not in variables


def test_the_table_has_a_row_for_each_environment(environments):
    rows = [{"environment": "a", "installed": "yes"}, {"environment": "b", "installed": "yes", "demo": "**no**"}]
    assert environments.table(rows).splitlines()[2:] == ["| a | yes |  |", "| b | yes | **no** |"]
    assert [environments.has_failed(row) for row in rows] == [False, True]
    assert environments.has_failed({"installed": "yes", "tests": "10 passed, 1 failed"})
    assert environments.has_failed({"installed": "no such Python here"})


def test_every_environment_of_ci_is_known(environments):
    workflow = Path(environments.ROOT, ".github", "workflows", "test.yaml").read_text()
    names = re.findall(r"\{ name: ([\w. -]+), python", workflow)
    assert len(names) == 7
    assert set(names) < set(environments.ENVIRONMENTS)


def test_the_snippet_of_the_readme_is_found(script):
    assert (
        "scivis.tl.ingest" in re.search(r"```python\n(.*?)```", script("environment").README.read_text(), re.DOTALL)[1]
    )
