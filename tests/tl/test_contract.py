"""What all tools have in common: copies, keys, seeds, silence, files, and data that are left as they were."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from sklearn.decomposition import PCA

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY_IVIS = {"network": [8], "epochs": 1}


@dataclass(frozen=True)
class Tool:
    """One call of a tool.

    Parameters
    ----------
    name
        Name of the function in `scivis.tl`.
    settings
        Settings with which it takes little time.
    written
        Keys that it writes without `key_added`, by group.
    keyed
        The same with ``key_added="other"``.
    """

    name: str
    settings: Mapping[str, Any]
    written: Mapping[str, set[str]]
    keyed: Mapping[str, set[str]]

    def __call__(self, adata: AnnData, **arguments: Any) -> AnnData | None:
        return getattr(scivis.tl, self.name)(adata, **self.settings | arguments)


TOOLS = {
    "ivis": Tool("ivis", TINY_IVIS, {"obsm": {"X_ivis"}, "uns": {"ivis"}}, {"obsm": {"other"}, "uns": {"other"}}),
    "ivis with labels": Tool(
        "ivis",
        TINY_IVIS | {"labels": "bulk_labels"},
        {
            "obsm": {"X_ivis", "ivis_scores"},
            "uns": {"ivis", "ivis_label_colors"},
            "obs": {"ivis_label", "ivis_certainty"},
        },
        {
            "obsm": {"other", "other_scores"},
            "uns": {"other", "other_label_colors"},
            "obs": {"other_label", "other_certainty"},
        },
    ),
    "adopt": Tool(
        "adopt",
        {"basis": "umap", "epochs": 1},
        {"uns": {"umap"}, "obs": {"umap_misfit"}},
        {"uns": {"other"}, "obs": {"other_misfit"}},
    ),
    "tsne": Tool(
        "tsne",
        {"n_iter": 5, "early_exaggeration_iter": 0, "initialization": "random"},
        {"obsm": {"X_tsne"}, "uns": {"tsne"}},
        {"obsm": {"other"}, "uns": {"other"}},
    ),
    "n2d": Tool(
        "n2d",
        {"n_clusters": 3, "architecture": [8], "epochs": 1, "manifold": PCA(2), "clusterer": "kmeans"},
        {"obsm": {"X_n2d", "X_n2d_latent"}, "obs": {"n2d"}, "uns": {"n2d"}},
        {"obsm": {"other", "other_latent"}, "obs": {"other"}, "uns": {"other"}},
    ),
    "quality": Tool(
        "quality",
        {"basis": "umap", "n_cells": 50},
        {"uns": {"quality"}, "obs": {"umap_trust", "umap_untrusted"}},
        {"uns": {"other"}, "obs": {"other_umap_trust", "other_umap_untrusted"}},
    ),
}
every_tool = pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)


@pytest.fixture(scope="session")
def _few_cells() -> AnnData:
    return sc.datasets.pbmc68k_reduced()[:120].copy()


@pytest.fixture
def cells(_few_cells: AnnData) -> AnnData:
    """120 cells with a PCA and labels; no graph, which subsetting has torn apart."""
    adata = _few_cells.copy()
    del adata.uns["neighbors"], adata.obsp
    return adata


def keys(adata: AnnData) -> dict[str, set[str]]:
    """All keys that results can be written to."""
    return {"obsm": set(adata.obsm), "uns": set(adata.uns), "obs": set(adata.obs), "var": set(adata.var)}


def added(before: AnnData, after: AnnData) -> dict[str, set[str]]:
    """Keys that one object has and the other has not, by group."""
    old = keys(before)
    return {group: new - old[group] for group, new in keys(after).items() if new - old[group]}


def arrays(adata: AnnData, tool: Tool) -> list[np.ndarray]:
    """The numbers and columns that a tool wrote."""
    if tool.name == "quality":
        return [adata.uns["quality"]["table"]["value"].to_numpy(), adata.obs["umap_trust"].to_numpy()]
    columns = [np.asarray(adata.obsm[key]) for key in sorted(tool.written.get("obsm", ()))]
    return [*columns, *(adata.obs[key].to_numpy() for key in sorted(tool.written.get("obs", ())))]


@every_tool
def test_results_are_written_in_place_under_the_documented_keys(tool: Tool, cells: AnnData) -> None:
    before = cells.copy()
    assert tool(cells) is None
    assert added(before, cells) == tool.written


@pytest.mark.slow
@every_tool
def test_key_added_replaces_every_key(tool: Tool, cells: AnnData) -> None:
    before = cells.copy()
    tool(cells, key_added="other")
    assert added(before, cells) == tool.keyed


@every_tool
def test_a_copy_has_the_same_results_and_leaves_the_original(
    tool: Tool, cells: AnnData, contents: Callable[[AnnData], str]
) -> None:
    before = contents(cells)
    copied = tool(cells, copy=True)
    assert contents(cells) == before
    tool(cells)
    for one, other in zip(arrays(copied, tool), arrays(cells, tool), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@every_tool
def test_everything_else_in_adata_stays(tool: Tool, cells: AnnData, contents: Callable[[AnnData], str]) -> None:
    before = contents(cells)
    tool(cells)
    for group, names in tool.written.items():
        for name in names:
            del getattr(cells, group)[name]
    assert contents(cells) == before


@pytest.mark.slow
@every_tool
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tool: Tool, cells: AnnData) -> None:
    one, same, other = (tool(cells, random_state=seed, copy=True) for seed in (1, 1, 2))
    pairs = list(zip(arrays(one, tool), arrays(same, tool), arrays(other, tool), strict=True))
    assert all(np.array_equal(first, second) for first, second, _ in pairs)
    assert any(not np.array_equal(first, third) for first, _, third in pairs)


@pytest.mark.slow
@every_tool
@pytest.mark.parametrize(
    ("name", "make"),
    [("random_state", np.random.default_rng), ("random_state", np.random.RandomState), ("rng", np.random.SeedSequence)],
)
def test_a_generator_is_a_seed(tool: Tool, name: str, make: Callable[[int], Any], cells: AnnData) -> None:
    one, same = (tool(cells, **{name: make(5)}, copy=True) for _ in range(2))
    for first, second in zip(arrays(one, tool), arrays(same, tool), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@every_tool
def test_rng_is_random_state_by_another_name_and_none_is_no_seed(tool: Tool, cells: AnnData) -> None:
    one, same, other = (
        tool(cells, **seed, copy=True) for seed in ({"rng": 5}, {"random_state": 5}, {"random_state": None})
    )
    pairs = list(zip(arrays(one, tool), arrays(same, tool), arrays(other, tool), strict=True))
    assert all(np.array_equal(first, second) for first, second, _ in pairs)
    assert any(not np.array_equal(first, third) for first, _, third in pairs)


@pytest.mark.slow
@every_tool
def test_global_random_states_are_neither_read_nor_changed(tool: Tool, cells: AnnData) -> None:
    results = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the global state is what is tested)
        before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
        results.append(arrays(tool(cells, copy=True), tool))
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@every_tool
def test_nothing_is_printed_at_verbosity_0(tool: Tool, cells: AnnData, capfd: pytest.CaptureFixture[str]) -> None:
    sc.settings.verbosity = 0
    tool(cells)
    assert capfd.readouterr() == ("", "")


@every_tool
@pytest.mark.parametrize("key_added", [None, "other"])
def test_messages_name_what_is_used_and_written(
    tool: Tool, key_added: str | None, cells: AnnData, capsys: pytest.CaptureFixture[str]
) -> None:
    sc.settings.verbosity = "hint"
    sc.settings.logfile = sys.stderr  # the one that pytest reads now
    tool(cells, key_added=key_added)
    printed = "".join(capsys.readouterr())
    assert "X_pca" in printed
    written = tool.written if key_added is None else tool.keyed
    # Colors belong to a column that is named.
    names = [name for names in written.values() for name in names if not name.endswith("_colors")]
    for name in names:
        assert printed.count(f"    {name!r}, ") == names.count(name)


@every_tool
def test_a_copy_of_backed_data_is_refused(tool: Tool, cells: AnnData, tmp_path: Path) -> None:
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(ValueError, match=r"copy=True needs the cells in memory: run it on adata.to_memory\(\)"):
        tool(backed, copy=True)


@pytest.mark.slow
@every_tool
def test_backed_data_give_the_results_of_data_in_memory(tool: Tool, cells: AnnData, tmp_path: Path) -> None:
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    tool(backed)
    tool(cells)
    for one, other in zip(arrays(backed, tool), arrays(cells, tool), strict=True):
        np.testing.assert_array_equal(one, other)


@every_tool
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_pcs": 10_000}, ValueError, "n_pcs=10000, but adata.obsm"),
        ({"use_rep": "X_nothing"}, KeyError, "Did not find 'X_nothing' in adata.obsm"),
        ({"layer": "nothing"}, KeyError, "Did not find 'nothing' in adata.layers"),
        ({"layer": "one", "use_rep": "X_pca"}, ValueError, "layer='one'"),
        (
            {"random_state": -1},
            ValueError,
            "random_state=-1 must be an integer of at least 0 and below 2⁶³, a NumPy Generator",
        ),
        ({"random_state": "a"}, ValueError, "random_state='a' must be"),
        ({"random_state": 1, "rng": 2}, TypeError, "random_state=1 and rng=2 are two seeds"),
        ({"key_added": "a/b"}, ValueError, "key_added='a/b'"),
        ({"use_rep": "broken"}, ValueError, "NaN or infinite values.* row 7"),
        ({"use_rep": "constant"}, ValueError, "All 120 rows are equal"),
    ],
    ids=str,
)
def test_bad_input_is_refused_and_adata_left_as_it_was(
    tool: Tool,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
    cells: AnnData,
    contents: Callable[[AnnData], str],
) -> None:
    cells.obsm["broken"] = np.array(cells.obsm["X_pca"])
    cells.obsm["broken"][7, 1] = np.nan
    cells.obsm["constant"] = np.ones((120, 3))
    before = contents(cells)
    with pytest.raises(error, match=message):
        tool(cells, **arguments)
    assert contents(cells) == before


@pytest.mark.slow
@every_tool
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_results_survive_a_file(tool: Tool, suffix: str, cells: AnnData, tmp_path: Path) -> None:
    tool(cells)
    path = tmp_path / f"cells.{suffix}"
    getattr(cells, f"write_{suffix}")(path)
    read = getattr(ad, f"read_{suffix}")(path)
    for one, other in zip(arrays(read, tool), arrays(cells, tool), strict=True):
        np.testing.assert_array_equal(one, other)
    assert keys(read) == keys(cells)
