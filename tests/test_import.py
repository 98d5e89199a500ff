"""`import scivis` is cheap, and everything it names is there."""

import json

import pytest

import scivis

HEAVY = [
    "tensorflow",
    "keras",
    "jax",
    "torch",
    "annoy",
    "pynndescent",
    "umap",
    "openTSNE",
    "scanpy",
    "anndata",
    "matplotlib",
]


def loaded_after(fresh_process, statements: str) -> list[str]:
    """Which of the heavy packages these statements load."""
    report = f"import json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    return json.loads(fresh_process(f"{statements}\n{report}").splitlines()[-1])


def test_importing_scivis_loads_nothing_heavy(fresh_process):
    assert loaded_after(fresh_process, "import scivis; scivis.__version__; dir(scivis)") == []


def test_naming_the_functions_loads_no_backend_and_no_search(fresh_process):
    names = "scivis.Ivis, scivis.N2D, scivis.n2d, scivis.datasets, scivis.tl.n2d, scivis.tl.ivis, scivis.tl.ingest, scivis.pl.ivis, scivis.get.model, scivis.neighbors"
    loaded = loaded_after(fresh_process, f"import scivis; {names}")
    assert not {"tensorflow", "keras", "annoy", "pynndescent", "scanpy"} & set(loaded)


def test_the_command_line_starts_without_a_backend(fresh_process):
    assert loaded_after(fresh_process, "import scivis.cli; scivis.cli._parser()") == []


@pytest.mark.parametrize("name", scivis.__all__)
def test_every_public_name_is_there(name):
    assert getattr(scivis, name) is not None
    assert name in dir(scivis)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'umap'"):
        scivis.umap  # noqa: B018 (the look-up is what is tested)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert scivis.__version__ == version("scivis")
