"""Arguments that all tools take: odd values are named in an error of the tool's own, and `adata` is unchanged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

# Required arguments of the tools.
REQUIRED: dict[str, dict[str, Any]] = {
    "ivis": {},
    "tsne": {},
    "n2d": {"n_clusters": 3},
    "quality": {"basis": "e"},
}
FITTING = ("ivis", "tsne", "n2d")


@pytest.fixture
def cells() -> AnnData:
    """60 cells with a representation and an embedding."""
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.normal(size=(60, 6)).astype(np.float32))
    adata.obsm["X_r"] = rng.normal(size=(60, 5)).astype(np.float32)
    adata.obsm["X_e"] = adata.obsm["X_r"][:, :2].copy()
    return adata


@pytest.fixture
def rejects(cells: AnnData, contents: Callable[[AnnData], str]) -> Callable[..., None]:
    """Checks that a tool raises an error with a message and does not change `adata`."""

    def check(tool: str, error: type[Exception], message: str, **arguments: Any) -> None:
        before = contents(cells)
        with pytest.raises(error, match=message):
            getattr(scivis.tl, tool)(cells, **REQUIRED[tool] | {"use_rep": "X_r"} | arguments)
        assert contents(cells) == before

    return check


@pytest.mark.parametrize("tool", REQUIRED)
@pytest.mark.parametrize(
    "key", [5, b"a", "", "  ", ".", "..", "a\x00b", "a" * 201, "ä" * 101], ids=lambda key: repr(key)[:12]
)
def test_keys_that_files_cannot_store_are_rejected(tool: str, key: Any, rejects: Callable[..., None]) -> None:
    shown = re.escape(repr(key)[:20])
    long = " bytes, but files store at most 200. Choose a shorter key"
    message = rf"key_added={shown}.*(must be a text with visible characters|{long})"
    rejects(tool, ValueError, message, key_added=key)


@pytest.mark.parametrize("tool", FITTING)
@pytest.mark.parametrize(("key", "use_rep"), [("X_r", "X_r"), ("X_pca", "X_pca"), ("neighbors", "X_r")])
def test_results_never_replace_what_is_read(
    tool: str, key: str, use_rep: str | None, rejects: Callable[..., None]
) -> None:
    rejects(tool, ValueError, f"key_added='{key}' is the key of what is read here", key_added=key, use_rep=use_rep)


@pytest.mark.parametrize("tool", FITTING)
@pytest.mark.parametrize("callbacks", [5, [5]], ids=str)
def test_callbacks_of_another_type_are_rejected(tool: str, callbacks: Any, rejects: Callable[..., None]) -> None:
    message = rf"callbacks={re.escape(repr(callbacks))} must be a .*list of .*, but 5 is none"
    rejects(tool, ValueError, message, callbacks=callbacks)


@pytest.mark.parametrize("tool", REQUIRED)
@pytest.mark.parametrize("value", [1e30, -1e19, 3e38], ids=str)
def test_a_single_huge_value_is_named(
    tool: str, value: float, cells: AnnData, rejects: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells.obsm["X_r"][3, 2] = value
    rejects(tool, ValueError, r"X_r.* holds values beyond ±1e\+15.* row 3\. Scale the data")


@pytest.mark.parametrize("tool", REQUIRED)
def test_complex_numbers_are_rejected(tool: str, cells: AnnData, rejects: Callable[..., None]) -> None:
    cells.obsm["X_r"] = cells.obsm["X_r"].astype(complex)
    rejects(tool, TypeError, "type complex128, which are not real numbers. Convert them")


N2D = {
    "x_lambda": ({"x_lambda": 5}, "x_lambda=5 must be a function of a batch of rows, or None"),
    "n_neighbors": ({"n_neighbors": 60}, "n_neighbors=60 must lie between 1 and 59, one less than the 60 cells"),
    "architecture": (
        {"architecture": [10_000_000]},
        r"architecture=\[10000000\] and latent_dim=3 make a layer of 10,0",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), N2D.values(), ids=N2D)
def test_arguments_of_n2d(arguments: dict[str, Any], message: str, rejects: Callable[..., None]) -> None:
    rejects("n2d", ValueError, message, **arguments)


def test_data_of_n2d_are_validated_before_its_learners_are_imported(
    cells: AnnData, rejects: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scivis.n2d._learners.make_umap", lambda **_: pytest.fail("UMAP was imported"))
    cells.obsm["X_r"][3, 2] = np.nan
    rejects("n2d", ValueError, "NaN or infinite values.* row 3")


@pytest.mark.parametrize("plot", ["compare", "raster"])
def test_bases_that_are_no_names_are_rejected(plot: str, cells: AnnData) -> None:
    with pytest.raises(
        ValueError, match=r"basis=5 must be the name of an embedding or a list of names: keys of adata\.obsm"
    ):
        getattr(scivis.pl, plot)(cells, basis=5, show=False)
