"""Loading of TensorFlow and Keras: the order of packages, and what stays as it was."""

from __future__ import annotations

import ast
import gc
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import scivis
from scivis._quiet import load_quietly, without_retracing_warnings

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


def test_triton_is_not_needed(loaded_by: Callable[..., list[str]]) -> None:
    assert loaded_by("load_quietly('tensorflow')", "tensorflow") == ["tensorflow"]


def test_a_broken_triton_is_passed_over(loaded_by: Callable[..., list[str]]) -> None:
    loaded = loaded_by("load_quietly('tensorflow')", "triton", "tensorflow", triton="broken")
    assert loaded == ["triton", "tensorflow"]


# Loaded by other packages, after `import scivis`

SHOUTING = "import os, sys; os.write(2, b'noise'); print('tensorflow', os.environ.get('TF_CPP_MIN_LOG_LEVEL'))"


@pytest.fixture
def loaded_by_others(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """What is written to standard output and standard error when TensorFlow is loaded by statements of the user."""
    for name, code in {"tensorflow": SHOUTING, "triton": FAKES["triton"]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code)

    def run(statements: str, **environment: str) -> tuple[str, str]:
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{statements}"
        environ = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | environment
        done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
        return done.stdout, done.stderr

    return run


def test_tensorflow_is_quiet_whoever_loads_it_after_scivis(loaded_by_others: Callable[..., tuple[str, str]]) -> None:
    assert loaded_by_others("import scivis; import tensorflow") == ("triton\ntensorflow 3\n", "")
    assert loaded_by_others("import tensorflow; import scivis") == ("tensorflow None\n", "noise")


def test_triton_is_not_loaded_after_tensorflow(loaded_by_others: Callable[..., tuple[str, str]]) -> None:
    statements = "import tensorflow; from scivis._quiet import load_quietly; load_quietly('tensorflow')"
    assert loaded_by_others(statements) == ("tensorflow None\n", "noise")


def test_triton_cannot_be_loaded_once_tensorflow_is(loaded_by_others: Callable[..., tuple[str, str]]) -> None:
    """It would end the process: PyTorch, which asks whether it is there, is told that it is not."""
    statements = """
        import tensorflow, scivis, importlib.util
        assert importlib.util.find_spec("triton") is None
        try:
            import triton
        except ModuleNotFoundError:
            print("without")
    """
    assert loaded_by_others(textwrap.dedent(statements))[0] == "tensorflow None\nwithout\n"


def test_triton_that_is_loaded_stays(loaded_by_others: Callable[..., tuple[str, str]]) -> None:
    statements = "import triton, tensorflow, scivis; import triton.__init__"
    assert loaded_by_others(statements)[0] == "triton\ntensorflow None\ntriton\n"


def test_a_log_level_of_the_user_is_kept_and_shows_everything(
    loaded_by_others: Callable[..., tuple[str, str]],
) -> None:
    expected = "triton\ntensorflow 0\n", "noise"
    assert (
        loaded_by_others("import scivis, os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'; import tensorflow") == expected
    )
    printed, noise = loaded_by_others("import scivis; import tensorflow", TF_CPP_MIN_LOG_LEVEL="0")
    assert (printed, noise) == expected


def test_python_finds_modules_as_before_once_tensorflow_is_loaded(
    loaded_by_others: Callable[..., tuple[str, str]],
) -> None:
    statements = (
        "before = list(sys.meta_path); import scivis; import importlib.util\n"
        "assert importlib.util.find_spec('tensorflow') and importlib.util.find_spec('no_such_package') is None\n"
        "import tensorflow; assert sys.meta_path == before\n"
        "print(type(tensorflow.__loader__).__name__, tensorflow.__spec__.loader is tensorflow.__loader__)"
    )
    printed, noise = loaded_by_others(statements)
    assert (printed.splitlines()[-1], noise) == ("SourceFileLoader True", "")


@pytest.mark.slow
def test_a_notebook_of_scanpy_and_scivis_shows_nothing() -> None:
    """umap, which scanpy imports, loads TensorFlow; several fits are compiled one after the other."""
    code = """
        import scivis
        import scanpy as sc

        sc.settings.verbosity = 0  # no progress bars, however slow the machine is
        adata = sc.datasets.pbmc68k_reduced()[:200].copy()
        sc.pp.neighbors(adata)
        for _ in range(6):
            scivis.tl.ivis(adata, epochs=1, network=[4])
        scivis.tl.ingest(adata[:10].copy(), adata)
    """
    environ = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_retracing_is_not_warned_of_while_models_are_trained(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tensorflow")
    with without_retracing_warnings():
        logger.warning("5 out of the last 9 calls to %s triggered tf.function retracing.", "f")
        logger.warning("something else")
    logger.warning("6 out of the last 11 calls to %s triggered tf.function retracing.", "f")
    assert [record.getMessage()[:9] for record in caplog.records] == ["something", "6 out of "]


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


@pytest.mark.parametrize("state", ["enable", "disable"])
@pytest.mark.parametrize("how", ["load_quietly('tensorflow')", "import scivis, tensorflow"])
def test_the_garbage_collector_pauses_and_is_left_as_found(
    state: str, how: str, tmp_path: Path, fresh_process: Callable[..., str]
) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("import gc; print(gc.isenabled())")
    printed = fresh_process(
        f"import gc, sys; sys.path.insert(0, {str(tmp_path)!r}); gc.{state}()\n"
        f"from scivis._quiet import load_quietly\n{how}\nprint(gc.isenabled())"
    )
    assert printed.split() == ["False", str(state == "enable")]


def test_the_garbage_collector_is_enabled_after_a_load_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError):
        load_quietly("no_such_package")
    assert gc.isenabled()


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
