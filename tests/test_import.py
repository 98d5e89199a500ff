"""`import scivis` is fast, and all public names exist."""

import json

import pytest

import scivis

SLOW = [
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
    """The slow packages that these statements import."""
    report = f"import json, sys; print(json.dumps([name for name in {SLOW} if name in sys.modules]))"
    return json.loads(fresh_process(f"{statements}\n{report}").splitlines()[-1])


def test_importing_the_package_and_the_command_line_imports_nothing_slow(fresh_process):
    statements = (
        "import scivis; scivis.__version__; dir(scivis); import scivis.cli._options; scivis.cli._options.parser()"
    )
    assert loaded_after(fresh_process, statements) == []


@pytest.mark.slow
def test_looking_up_functions_imports_neither_backend_nor_search(fresh_process):
    names = "scivis.Ivis, scivis.N2D, scivis.n2d, scivis.datasets, scivis.tl.n2d, scivis.tl.ivis, scivis.tl.ingest, scivis.pl.ivis, scivis.get.model, scivis.neighbors"
    loaded = loaded_after(fresh_process, f"import scivis; {names}")
    assert not {"tensorflow", "keras", "annoy", "pynndescent", "scanpy"} & set(loaded)


@pytest.mark.parametrize("name", scivis.__all__)
def test_every_public_name_exists(name):
    assert getattr(scivis, name) is not None
    assert name in dir(scivis)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'umap'"):
        scivis.umap  # noqa: B018 (the look-up is what is tested)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert scivis.__version__ == version("scivis")
