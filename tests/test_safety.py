"""Nothing in the package can run code that a file contains."""

import ast
from pathlib import Path

import pytest

import scivis

# Names by which code is read from a file or a string.
EVALUATES = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib.load", "np.load", "numpy.load", "marshal", "shelve", "allow_pickle", "eval", "exec", "compile_command",
    "__import__", "load_model", "load_weights", "model_from_json", "model_from_config", "from_config", "clone_model",
    "deserialize", "deserialize_keras_object", "safe_mode", "enable_unsafe_deserialization", "saved_model", "unsafe_load",
}  # fmt: skip


def words(tree):
    """Every name that the code uses, and every string that could be one; no comments, docstrings or definitions."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield from (node.attr, ast.unparse(node))
        elif isinstance(node, ast.keyword):
            yield node.arg
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            for imported in node.names:
                yield from (f"{module}.{imported.name}", *module.split("."), *imported.name.split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads as read",
        "from joblib import load",
        "joblib.load(path)",
        "keras.models.load_model(path)",
        "from keras.models import load_model",
        "np.load(path, allow_pickle=True)",
        "np.load(path, **{'allow_pickle': True})",
        "getattr(keras.saving, 'load_model')(path)",
        "read = eval",
        "def load(path):\n    'Not pickle.'\n    return Model.from_config(path)",
    ],
)
def test_the_search_finds_code_that_evaluates(code):
    assert set(words(ast.parse(code))) & EVALUATES


def test_the_package_neither_unpickles_nor_evaluates():
    """Exceptions: the name of an exported folder, which is never read; arrays without pickle; copies of optimizers."""
    source = Path(scivis.__file__).parent
    allowed = {
        ("_ivis/save.py", "saved_model"),
        ("_ivis/checkpoint.py", "np.load"),
        ("_ivis/checkpoint.py", "allow_pickle"),
        ("_store/packed.py", "np.load"),
        ("_store/packed.py", "allow_pickle"),
        ("datasets/_images.py", "np.load"),
        ("datasets/_images.py", "allow_pickle"),
        ("n2d/_training.py", "from_config"),
    }
    for name in ("_ivis/checkpoint.py", "_store/packed.py", "datasets/_images.py"):
        calls = [line for line in (source / name).read_text().splitlines() if "np.load" in line]
        assert len(calls) == 1
        assert "allow_pickle=False" in calls[0]
    assert "type(optimizer).from_config(optimizer.get_config())" in (source / "n2d" / "_training.py").read_text()
    for path in source.rglob("*.py"):
        found = set(words(ast.parse(path.read_text()))) & EVALUATES
        assert {(path.relative_to(source).as_posix(), word) for word in found} <= allowed, f"{path} holds {found}"
