"""Release of custom gradients, which TensorFlow keeps as long as the process runs."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = __name__.partition(".")[0]
# The registered function calls another one, which calls the gradient.
_DEPTH = 2


@contextmanager
def released_gradients() -> Iterator[None]:
    """Forget the custom gradients that scivis defines in the graphs that are traced in the block.

    TensorFlow registers a gradient for each of these graphs, whose tensors keep the graph: 4 MiB for each fit. They are needed
    only while a graph is traced. Those of other packages remain.
    """
    try:
        yield
    finally:
        if keras.backend.backend() == "tensorflow":
            _release()


def _release() -> None:
    """Not part of the interface of TensorFlow: where the registry has another form, it keeps its gradients."""
    registry = getattr(import_module("tensorflow.python.framework.ops"), "gradient_registry", None)
    entries = getattr(registry, "_registry", {})
    for name, entry in list(entries.items()):
        if name.startswith("CustomGradient-") and _is_ours(entry.get("type"), _DEPTH):
            entries.pop(name, None)


def _is_ours(function: Any, depth: int) -> bool:
    """Whether a function, or one that it holds, was defined in this package."""
    if str(getattr(function, "__module__", "")).partition(".")[0] == _PACKAGE:
        return True
    cells = getattr(function, "__closure__", None) or ()
    return depth > 0 and any(_is_ours(_content(cell), depth - 1) for cell in cells)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the cell is empty
        return None
