"""Arguments that all tools take: odd values are named in an error of the tool's own, and `adata` is unchanged."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

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
    return _made()


def _made() -> AnnData:
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.normal(size=(60, 6)).astype(np.float32))
    adata.obsm["X_r"] = rng.normal(size=(60, 5)).astype(np.float32)
    adata.obsm["X_e"] = adata.obsm["X_r"][:, :2].copy()
    return adata


@pytest.fixture(scope="module")
def _fitted(eagerly: Callable[[], AbstractContextManager[None]]) -> AnnData:
    adata = _made()
    with eagerly():
        scivis.tl.ivis(adata, use_rep="X_r", epochs=1, network=[4])
        scivis.tl.tsne(adata, use_rep="X_r", n_iter=1, early_exaggeration_iter=1)
        scivis.tl.n2d(adata, 2, use_rep="X_r", architecture=[4], epochs=1, manifold="ivis")
    return adata


@pytest.fixture
def fitted(_fitted: AnnData, op_by_op: None) -> AnnData:
    """The same cells with a model of each method."""
    return _fitted.copy()


@pytest.fixture
def rejects(cells: AnnData, contents: Callable[[AnnData], str]) -> Callable[..., None]:
    """Checks that a tool raises an error with a message and does not change `adata`."""

    def check(tool: str, error: type[Exception], message: str, **arguments: Any) -> None:
        before = contents(cells)
        with pytest.raises(error, match=message):
            getattr(scivis.tl, tool)(cells, **REQUIRED[tool] | {"use_rep": "X_r"} | arguments)
        assert contents(cells) == before

    return check


# Calls of all public functions with an object in place of `adata`, and the names of the arguments that they call it by.
CALLS: dict[str, Callable[[Any], Any]] = {
    **{f"tl.{name}": partial(getattr(scivis.tl, name), **given) for name, given in REQUIRED.items()},
    **{f"tl.{name}": getattr(scivis.tl, name) for name in ("adopt", "feature_importance", "uncertainty")},
    **{
        f"{room.__name__[7:]}.{name}": partial(getattr(room, name), show=False)
        if room is scivis.pl
        else getattr(room, name)
        for room, name in [(scivis.get, "model"), *((scivis.pl, name) for name in scivis.pl.__all__)]
        if name not in ("ingest", "raster")
    },
    "pl.raster": lambda adata: scivis.pl.raster(adata, "umap", show=False),
}
PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "tl.ingest": scivis.tl.ingest,
    "tl.drift": scivis.tl.drift,
    "tl.extend": lambda new, ref: scivis.tl.extend(ref, new),
    "pl.ingest": partial(scivis.pl.ingest, show=False),
}


def test_all_public_functions_are_called() -> None:
    names = {f"tl.{name}" for name in scivis.tl.__all__} | {f"pl.{name}" for name in scivis.pl.__all__} | {"get.model"}
    assert set(CALLS) | set(PAIRS) == names


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("given", ["cells.h5ad", None, np.zeros((9, 3))], ids=lambda given: type(given).__name__)
def test_what_is_no_anndata_object_is_rejected(name: str, given: Any) -> None:
    with pytest.raises(TypeError, match=rf"adata.*{type(given).__name__} must be an AnnData object\. Read a file with"):
        CALLS[name](given)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_the_one_of_two_objects_that_is_no_anndata_object_is_named(name: str, fitted: AnnData) -> None:
    with pytest.raises(TypeError, match=r"adata_new='new\.h5ad' of type str must be"):
        PAIRS[name]("new.h5ad", fitted)
    with pytest.raises(TypeError, match=r"adata_ref='ref\.h5ad' of type str must be"):
        PAIRS[name](fitted, "ref.h5ad")


@pytest.mark.parametrize("given", [["X_r"], np.zeros((60, 2))], ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("tool", REQUIRED)
def test_representations_are_named(tool: str, given: Any, rejects: Callable[..., None]) -> None:
    rejects(
        tool,
        TypeError,
        f"use_rep of type {type(given).__name__} must be a name: X, or a key of adata.obsm",
        use_rep=given,
    )


@pytest.mark.parametrize("tool", REQUIRED)
def test_a_copy_is_wanted_or_not(tool: str, rejects: Callable[..., None]) -> None:
    rejects(tool, ValueError, "copy='yes' must be True or False", copy="yes")


@pytest.mark.slow
@pytest.mark.parametrize("key", ["ivis", "n2d", "tsne"])
def test_options_that_a_method_does_not_have_are_named_with_those_that_it_has(key: str, fitted: AnnData) -> None:
    known = {
        "ivis": r"ivis takes \['backbone'\]",
        "n2d": r"n2d takes \['autoencoder', 'manifold', 'clusterer'\]",
        "tsne": "t-SNE",
    }
    with pytest.raises(TypeError, match=rf"\['bogus'\] are .*{known[key]}"):
        scivis.tl.ingest(fitted[:5].copy(), fitted, key=key, bogus=1)
    if key != "tsne":
        with pytest.raises(TypeError, match=rf"\['bogus'\] are no arguments here.*{known[key]}"):
            scivis.get.model(fitted, key, bogus=1)


@pytest.mark.slow
def test_the_perplexity_of_new_cells_is_a_number(fitted: AnnData) -> None:
    with pytest.raises(ValueError, match="perplexity='a' must be a number above 0, or several"):
        scivis.tl.ingest(fitted[:5].copy(), fitted, key="tsne", use_rep="X_r", perplexity="a")


@pytest.mark.slow
def test_calls_that_lack_something_say_where_it_comes_from(fitted: AnnData) -> None:
    new = fitted[:5].copy()
    with pytest.raises(KeyError, match=r"Run `scivis\.tl\.ingest\(adata_new, adata_ref, key='n2d'\)` first"):
        scivis.pl.ingest(ad.AnnData(new.X), fitted, key="n2d", show=False)
    del new.uns["ivis"]
    with pytest.raises(
        KeyError, match=r"holds no model\. If these cells were placed on a reference, pass it as reference"
    ):
        scivis.tl.uncertainty(new)
    with pytest.raises(
        KeyError, match=r"adata_new\.obs has no 'ivis_novelty'.*The new cells come first, then the reference"
    ):
        scivis.pl.ingest(fitted, new, show=False)
    del new.obsm["X_tsne"]
    with pytest.raises(KeyError, match=r"Run `scivis\.tl\.ingest\(adata_new, adata_ref, key='tsne'\)` first"):
        scivis.tl.drift(new, fitted, key="tsne")


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "few": ({"max_train_cells": 1}, "max_train_cells=1 must be an integer of at least 3"),
    "detail": ({"detail": "yes"}, "detail='yes' must be True or False"),
    "text": ({"n_neighbors": 2.5}, "n_neighbors=2.5 must be an integer between 1 and 59"),
    "mask": ({"use_rep": "X", "mask_var": "n"}, "mask_var='n' must be a boolean for each of the 6 genes"),
}


@pytest.mark.parametrize(("arguments", "message"), ODD.values(), ids=ODD)
def test_arguments_of_ivis(
    arguments: dict[str, Any], message: str, cells: AnnData, rejects: Callable[..., None]
) -> None:
    cells.var["n"] = 1
    rejects("ivis", ValueError, message, **arguments)


@pytest.mark.slow
def test_a_selection_of_genes_without_effect_is_reported(fitted: AnnData, said: Callable[[], str]) -> None:
    scivis.tl.ivis(fitted, use_rep="X_r", mask_var=np.ones(6, bool), epochs=1, network=[4])
    assert "mask_var selects genes, but adata.obsm['X_r'], 5 columns, are not genes: it has no effect" in said()


def test_the_noise_of_adopt_is_named_as_it_was_given(cells: AnnData) -> None:
    with pytest.raises(ValueError, match=r"^noise=-1 must be a number of at least 0"):
        scivis.tl.adopt(cells, "e", use_rep="X_r", noise=-1)


def test_layers_of_ones_own_are_an_autoencoder(rejects: Callable[..., None]) -> None:
    rejects("n2d", TypeError, "autoencoder='x' must be a scivis.n2d.CustomAutoEncoder", autoencoder="x")


PLOTTED: dict[str, tuple[str, dict[str, Any], type[Exception], str]] = {
    "ivis": ("ivis", {"color": "nope"}, KeyError, "color='nope' is neither in adata.obs.*nor a gene"),
    "ivis list": ("ivis", {"color": ["type", "nope"]}, KeyError, "color='nope' is neither in adata.obs"),
    "ivis number": ("ivis", {"color": 5}, TypeError, "color=5 must be a column of adata.obs or a gene, or a list"),
    "ivis axes": ("ivis", {"ax": 5}, TypeError, "ax of type int must be one matplotlib.axes.Axes"),
    "compare": ("compare", {"color": 5}, TypeError, "color=5 must be a column of adata.obs or a gene, or a list"),
    "compare axes": (
        "compare",
        {"ax": "x", "basis": "e"},
        TypeError,
        "ax of type str must be one matplotlib.axes.Axes",
    ),
    "compare columns": ("compare", {"ncols": 0}, ValueError, "ncols=0 must be an integer of at least 1"),
    "compare text": ("compare", {"ncols": "a"}, ValueError, "ncols='a' must be an integer of at least 1"),
    "compare palette": ("compare", {"color": "type", "palette": 5}, ValueError, "palette=5 is neither a colormap"),
}


@pytest.mark.parametrize(("plot", "arguments", "error", "message"), PLOTTED.values(), ids=PLOTTED)
def test_arguments_of_plots(
    plot: str, arguments: dict[str, Any], error: type[Exception], message: str, cells: AnnData
) -> None:
    cells.obsm["X_ivis"], cells.obs["type"] = cells.obsm["X_e"], "a"
    with pytest.raises(error, match=message):
        getattr(scivis.pl, plot)(cells, **arguments, show=False)


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


@pytest.mark.parametrize("tool", REQUIRED)
@pytest.mark.parametrize("dtype", [str, object])
def test_text_is_rejected(tool: str, dtype: type, cells: AnnData, rejects: Callable[..., None]) -> None:
    cells.layers["text"] = np.full(cells.shape, "a", dtype)
    rejects(
        tool,
        TypeError,
        r"layers\['text'\] holds values of type .*, which are not real numbers",
        layer="text",
        use_rep=None,
    )


def test_nullable_columns_are_numbers(cells: AnnData) -> None:
    plain, columns = cells, cells.copy()
    columns.obsm["X_r"] = pd.DataFrame(cells.obsm["X_r"], cells.obs_names).add_prefix("r").astype("Float64")
    for adata in (plain, columns):
        scivis.tl.tsne(adata, use_rep="X_r", n_iter=1, early_exaggeration_iter=1)
    np.testing.assert_array_equal(plain.obsm["X_tsne"], columns.obsm["X_tsne"])


@pytest.mark.parametrize("loss", [np.mean, len, lambda y_true, y_pred: None], ids=["mean", "len", "None"])
def test_functions_that_are_no_losses_are_named(loss: Callable[..., Any], rejects: Callable[..., None]) -> None:
    name = re.escape(repr(loss.__name__))
    rejects("ivis", ValueError, rf"loss={name} fails: .*\. A loss is a function of \(y_true, y_pred\)", loss=loss)


N2D = {
    "x_lambda": ({"x_lambda": 5}, "x_lambda=5 must be a function of a batch of rows, or None"),
    "n_neighbors": (
        {"n_neighbors": 60},
        "n_neighbors=60 must be an integer between 1 and 59, one less than the 60 cells",
    ),
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
