"""Loading of TensorFlow and Keras: the order of packages, and what stays as it was."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Packages that only say when they are loaded stand for the real ones, whose loading takes seconds.
FAKES = {
    "triton": "print('triton')",
    "tensorflow": "print('tensorflow')",
    "keras": "import os, random, tensorflow; random.random(); os.environ['TF2_BEHAVIOR'] = '1'; print('keras')",
    "broken": "print('triton'); raise RuntimeError",
}


@pytest.fixture
def loaded_by(tmp_path: Path, fresh_process: Callable[..., str]) -> Callable[..., list[str]]:
    """The packages that a statement loads, in this order, where those that are named are installed."""

    def run(statement: str, *installed: str, triton: str = "triton") -> list[str]:
        for name in installed:
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(FAKES[triton if name == "triton" else name])
        path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
        return fresh_process(f"{path}\nfrom scivis._quiet import load_quietly\n{statement}").split()

    return run


@pytest.mark.parametrize("name", ["tensorflow", "keras"])
def test_triton_is_loaded_before_tensorflow(name: str, loaded_by: Callable[..., list[str]]) -> None:
    """TensorFlow first, `import scvi` or `import torchvision` would later end the process."""
    loaded = loaded_by(f"load_quietly({name!r})", "triton", "tensorflow", "keras")
    assert loaded[:2] == ["triton", "tensorflow"]
    assert loaded[-1] == name


def test_triton_is_not_loaded_after_tensorflow(loaded_by: Callable[..., list[str]]) -> None:
    assert loaded_by("import tensorflow; load_quietly('keras')", "triton", "tensorflow", "keras") == [
        "tensorflow",
        "keras",
    ]


def test_triton_is_not_needed(loaded_by: Callable[..., list[str]]) -> None:
    assert loaded_by("load_quietly('tensorflow')", "tensorflow") == ["tensorflow"]


def test_a_broken_triton_is_passed_over(loaded_by: Callable[..., list[str]]) -> None:
    loaded = loaded_by("load_quietly('tensorflow')", "triton", "tensorflow", triton="broken")
    assert loaded == ["triton", "tensorflow"]


def test_several_threads_load_a_package_once_and_complete(loaded_by: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("import time; time.sleep(.2); complete = True; print('keras')")
    statement = (
        "from concurrent.futures import ThreadPoolExecutor as Pool\n"
        "modules = list(Pool(4).map(load_quietly, ['keras'] * 4))\n"
        "assert all(module.complete for module in modules)"
    )
    assert loaded_by(statement) == ["keras"]


def test_the_random_state_of_python_stays(loaded_by: Callable[..., list[str]]) -> None:
    statement = "import random; random.seed(3); load_quietly('keras'); print(random.random())"
    *_, drawn = loaded_by(statement, "tensorflow", "keras")
    assert float(drawn) == 0.23796462709189137  # what seed 3 gives first


def test_the_environment_stays(loaded_by: Callable[..., list[str]]) -> None:
    """But for the log level of TensorFlow, which is read later as well."""
    statement = (
        "import os; os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None)\n"
        "before = dict(os.environ); load_quietly('keras')\n"
        "print(*sorted(name for name in os.environ if os.environ[name] != before.get(name)))"
    )
    *_, added = loaded_by(statement, "tensorflow", "keras")
    assert added == "TF_CPP_MIN_LOG_LEVEL"


@pytest.mark.slow
def test_the_real_keras_leaves_random_state_environment_filters_and_root_logger_as_they_were(
    fresh_process: Callable[..., str],
) -> None:
    printed = fresh_process("""
        import logging, os, random, warnings
        import numpy as np

        def found():
            environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
            root = logging.root
            return random.getstate(), np.random.get_state()[1:3], environment, warnings.filters[:], root.handlers[:], root.level

        before = found()
        import scivis.nn
        print([str(one) == str(other) for one, other in zip(before, found())])
    """)
    assert printed.split("\n")[-2] == "[True, True, True, True, True, True]"


def imports(node: ast.AST) -> Iterator[str]:
    """The packages that code imports, in functions as well; imports for types do not count."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (name.name.partition(".")[0] for name in child.names)
        elif isinstance(child, ast.ImportFrom) and not child.level:
            yield str(child.module).partition(".")[0]
        yield from imports(child)


def test_one_function_loads_tensorflow_and_keras() -> None:
    """Only modules of `scivis.nn` import Keras: the package begins with that function."""
    source = Path(scivis.__file__).parent
    first = ast.parse((source / "nn" / "__init__.py").read_text()).body[1]
    assert ast.unparse(first) == "from ._backend import keras as keras"
    for path in source.rglob("*.py"):
        found = set(imports(ast.parse(path.read_text())))
        assert "tensorflow" not in found, path
        assert "keras" not in found or path.parent.name == "nn", path
