"""The entry for the registry of scverse's ecosystem."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[1]
# Terms of the controlled vocabulary (ecosystem-packages, August 2026) that could apply.
TAGS = {
    "scRNA-seq", "flow cytometry", "multimodal", "quality control", "data integration", "cell-type annotation", "clustering",
    "dimensionality reduction", "visualization", "benchmarking", "deep learning", "GPU acceleration", "interoperability",
}  # fmt: skip
REQUIRED = {
    "name", "description", "documentation_home", "license", "tags", "primary_category", "language", "category", "install",
}  # fmt: skip


@pytest.fixture
def entry():
    path = ROOT / "docs" / "registry" / "meta.yaml"
    if not path.is_file():
        pytest.skip("docs/ is not here")
    return yaml.safe_load(path.read_text())


def test_the_entry_has_what_the_registry_requires(entry):
    assert entry.keys() >= REQUIRED
    assert "version" not in entry
    assert (entry["primary_category"], entry["category"], entry["language"]) == ("scRNA-seq", "ecosystem", "Python")
    assert set(entry["tags"]) <= TAGS
    assert 1 <= len(set(entry["tags"])) == len(entry["tags"]) <= 10


def test_the_entry_agrees_with_the_package(entry):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert entry["name"] == entry["install"]["pypi"] == project["name"]
    assert entry["license"] == project["license"]
    assert entry["documentation_home"] == project["urls"]["Documentation"]
