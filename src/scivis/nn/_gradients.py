"""Release of what TensorFlow keeps of a training as long as the process runs: custom gradients, and kernels of graphs."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where the gradients of a training step are defined: in scivis, and where Keras sums gradients over devices.
_MODULES = (__name__.partition(".")[0] + ".", "tensorflow.python.distribute.")
# The registered function calls another one, which calls the gradient.
_DEPTH = 2


@contextmanager
def released_gradients() -> Iterator[None]:
    """Forget the custom gradients of the training steps that are traced in the block.

    TensorFlow registers a gradient for each graph, and its tensors keep the graph, some MiB for each fit. They are needed only
    while a graph is traced. Those of other packages remain.
    """
    entries = _registered() if keras.backend.backend() == "tensorflow" else {}
    before = set(entries)
    try:
        yield
    finally:
        for name in entries.keys() - before:
            if name.startswith("CustomGradient-") and _is_of_training(entries[name].get("type"), _DEPTH):
                entries.pop(name, None)


@contextmanager
def released_kernels() -> Iterator[None]:
    """Forget the kernels that TensorFlow keeps for each graph that ran, some MiB for each fit, at the end of the block.

    They are a cache: TensorFlow makes those that are needed again. It has no public function for this.
    """
    try:
        yield
    finally:
        if keras.backend.backend() == "tensorflow":
            context = import_module("tensorflow.python.eager.context").context()
            getattr(context, "clear_kernel_cache", lambda: None)()


def _registered() -> dict[str, Any]:
    """Not part of the interface of TensorFlow: where the registry has another form, it keeps its gradients."""
    registry = getattr(import_module("tensorflow.python.framework.ops"), "gradient_registry", None)
    return getattr(registry, "_registry", {})


def _is_of_training(function: Any, depth: int) -> bool:
    """Whether a function, or one that it holds, was defined where those of a training step are."""
    if str(getattr(function, "__module__", "")).startswith(_MODULES):
        return True
    cells = getattr(function, "__closure__", None) or ()
    return depth > 0 and any(_is_of_training(_content(cell), depth - 1) for cell in cells)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the cell is empty
        return None
