"""Loading of TensorFlow, by whichever package: after triton, and without its output.

umap, which `sc.pp.neighbors` imports, loads TensorFlow if it is installed.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext, suppress
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ._quiet import paused_collector, quiet_standard_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _QuietFinder(MetaPathFinder):
    """Finds TensorFlow as Python does, and has it loaded as by :func:`scivis._quiet.load_quietly`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:  # fmt: skip
        if fullname != "tensorflow":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader, self)
        return spec


class _QuietLoader(Loader):
    """Discards what `loader` writes to standard error, and leaves it and Python's finders as they were without scivis."""

    def __init__(self, loader: Any, finder: MetaPathFinder) -> None:
        self.loader, self.finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        _load_triton()  # now, because TensorFlow counts as loaded from here on
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with suppress(ValueError):  # removed by another thread
            sys.meta_path.remove(self.finder)
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        # Set by the user, or by `load_quietly`, which redirects the output.
        is_set = "TF_CPP_MIN_LOG_LEVEL" in os.environ
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with paused_collector(), nullcontext() if is_set else quiet_standard_error():
            self.loader.exec_module(module)


def _load_triton() -> None:
    """Import triton, which PyTorch brings along, if it is installed.

    Loaded after TensorFlow 2.21, triton ends the process with a segmentation fault: `import torchvision` or `import scvi`
    load it.
    """
    if "triton" not in sys.modules and find_spec("triton"):
        with suppress(Exception):  # an installation that is broken does not concern scivis
            import_module("triton")


def load_tensorflow_quietly() -> None:
    """Have the next import of TensorFlow come after triton, and print nothing unless the user has set its log level.

    If TensorFlow is there already, an import of triton would end the process. Python then takes triton as not installed, and
    PyTorch does without it.
    """
    if "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _QuietFinder())
    elif "triton" not in sys.modules and find_spec("triton"):
        sys.modules["triton"] = None  # type: ignore[assignment]  # Python's own mark of a module that must not be imported
