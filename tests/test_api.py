"""Conventions of scverse that every public function follows."""

import inspect
import re
from pathlib import Path

import pytest

import scivis
from scivis.nn import callbacks

TOOLS = [getattr(scivis.tl, name) for name in scivis.tl.__all__]
PLOTS = [getattr(scivis.pl, name) for name in scivis.pl.__all__]
ON_ARRAYS = [
    scivis.Ivis,
    *(getattr(scivis.nn, name) for name in ("make_targets", "register_loss", "register_network", "triplet_loss")),
    scivis.nn.losses.semi_supervised_loss,
    *(getattr(callbacks, name) for name in callbacks.__all__),
    *(getattr(scivis.data, name) for name in scivis.data.__all__),
    *(getattr(scivis.neighbors, name) for name in scivis.neighbors.__all__ if name not in ("Backend", "Metric")),
    scivis.N2D,
    scivis.n2d.AutoEncoder,
    scivis.n2d.CustomAutoEncoder,
    scivis.n2d.ManifoldClusterer,
    scivis.n2d.UmapGMM,
    scivis.n2d.autoencoder_generator,
    scivis.n2d.cluster_accuracy,
    scivis.n2d.load_n2d,
    scivis.n2d.manifold_cluster_generator,
    scivis.n2d.match_clusters,
    scivis.n2d.save_n2d,
]
PUBLIC = [*TOOLS, *PLOTS, scivis.get.model, *ON_ARRAYS]
API_PAGES = Path(__file__).parents[1] / "docs" / "api"


def named(functions):
    """Parametrize over functions, with their full names as ids."""
    return pytest.mark.parametrize("function", functions, ids=lambda f: f"{f.__module__}.{f.__name__}")


def parameters(function):
    return inspect.signature(function).parameters


def defaults(function):
    return {name: parameter.default for name, parameter in parameters(function).items()}


@named([*TOOLS, *PLOTS])
def test_data_are_first_and_all_other_arguments_keyword_only(function):
    kinds = {name: parameter.kind for name, parameter in parameters(function).items()}
    positional = [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    data = (["adata"], ["adata_new", "adata_ref"], ["adata_ref", "adata_new"])
    assert positional in (*data, ["adata", "basis"], ["adata", "n_clusters"])
    assert set(kinds.values()) <= {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    }


@named([*TOOLS, *PLOTS])
def test_data_are_annotated_as_anndata(function):
    data = [parameter for name, parameter in parameters(function).items() if name.startswith("adata")]
    assert {parameter.annotation for parameter in data} == {"AnnData"}


@named(TOOLS)
def test_tools_write_in_place_or_return_a_copy(function):
    given = defaults(function)
    assert given["copy"] is False
    assert inspect.signature(function).return_annotation == "AnnData | None"


def test_defaults_are_those_of_scanpy():
    given = defaults(scivis.tl.ivis)
    expected = {"n_components": 2, "use_rep": None, "n_pcs": None, "layer": None, "neighbors_key": None}
    assert {name: given[name] for name in expected} == expected
    assert given["key_added"] is None
    assert given["random_state"] == 0


def test_ingest_has_the_arguments_of_scanpys_ingest():
    import scanpy as sc

    ours, theirs = defaults(scivis.tl.ingest), defaults(sc.tl.ingest)
    assert list(ours)[1] == list(theirs)[1] == "adata_ref"
    assert "inplace" in ours  # for a while, as the opposite of `copy`
    assert ours["key"] == "ivis"


# Plots of any embeddings have no key. Other plots have that of `tl.ivis` by default.
KEYS = {
    "quality": "quality",
    "distances": "quality",
    "trust": "quality",
    "n2d": "n2d",
    "compare": None,
    "raster": None,
}


@named(PLOTS)
def test_plots_take_the_key_of_their_tool(function):
    assert defaults(function).get("key") == KEYS.get(function.__name__, "ivis")


@named([plot for plot in PLOTS if "kwargs" not in parameters(plot) or plot is scivis.pl.ingest])
def test_plots_are_shown_by_the_setting_of_scanpy(function):
    given = defaults(function)
    assert given["show"] is None
    assert given.get("ax") is None


def test_ivis_keeps_the_constructor_of_ivis_2():
    upstream = {
        "embedding_dims": 2,
        "k": 150,
        "distance": "pn",
        "batch_size": 128,
        "epochs": 1000,
        "n_epochs_without_progress": 20,
        "n_trees": 50,
        "search_k": -1,
        "knn_distance_metric": "angular",
        "model": "szubert",
        "neighbour_matrix": None,
        "callbacks": None,
        "verbose": 1,
    }
    given = defaults(scivis.Ivis)
    assert {name: given[name] for name in upstream} == upstream


def section(function, title: str) -> str:
    """The section of a NumPy docstring; empty if there is none."""
    doc = inspect.getdoc(function) or ""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", doc, flags=re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


@named(PUBLIC)
def test_every_parameter_is_documented(function):
    own = [name for name in parameters(function) if name != "self"]
    lines = re.findall(r"^(\w[\w, ]*)$", section(function, "Parameters"), flags=re.MULTILINE)
    documented = [name.strip() for line in lines for name in line.split(",")]
    assert documented == own


@named(PUBLIC)
def test_every_public_function_has_an_example_and_types_stay_in_the_signature(function):
    assert ">>> " in section(function, "Examples")
    assert not re.search(r"^\w+ ?: ", section(function, "Parameters"), flags=re.MULTILINE)


@named([*TOOLS, *PLOTS, scivis.get.model])
def test_results_are_documented(function):
    assert section(function, "Returns").strip()


@named(PUBLIC)
def test_every_parameter_is_annotated(function):
    assert not [n for n, p in parameters(function).items() if p.annotation is inspect.Parameter.empty]


@named(PUBLIC)
def test_the_api_page_lists_every_public_function(function):
    if not API_PAGES.exists():
        pytest.skip("the documentation is not part of this distribution")
    room = "" if function in (scivis.Ivis, scivis.N2D) else rf"{function.__module__.split('.')[1]}\.(\w+\.)?"
    pages = "\n".join(page.read_text() for page in API_PAGES.glob("*.md"))
    assert re.search(rf"^ +{room}{function.__name__}$", pages, flags=re.MULTILINE)


@pytest.mark.parametrize("room", ["tl", "pl", "get", "nn", "neighbors", "data", "n2d", "datasets"])
def test_public_names_are_sorted_and_exist(room):
    module = getattr(scivis, room)
    # Constants, classes, functions, in the order of ruff.
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(module, name) for name in module.__all__)
