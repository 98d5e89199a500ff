"""Loading of libraries that print while they are loaded, without their output."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import warnings
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Standard error and random state are those of the process, not of a thread.
_LOCK = RLock()


def load_quietly(name: str) -> Any:
    """Import `keras` or `tensorflow` without the lines that TensorFlow prints meanwhile and later.

    Every import of these packages in scivis goes through this function. TensorFlow's compiled code logs every device and
    every graph that it compiles. A log level set by the user is kept; the one that is set here remains in the environment,
    because it is also read later.
    """
    # In a second thread, the module may be there, but not complete: `import_module` waits for the first thread.
    with _LOCK:
        if name in sys.modules:
            return import_module(name)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with quiet_standard_error(), _unchanged_globals():
            _load_triton()
            return import_module(name)


def _load_triton() -> None:
    """Import triton, which PyTorch brings along, if it is installed and TensorFlow is not loaded yet.

    Loaded after TensorFlow 2.21, triton ends the process with a segmentation fault: `import torchvision` or `import scvi`
    load it.
    """
    if {"triton", "tensorflow"}.isdisjoint(sys.modules) and find_spec("triton"):
        with suppress(Exception):  # an installation that is broken does not concern scivis
            import_module("triton")


@contextmanager
def _unchanged_globals() -> Iterator[None]:
    """Leave the generator of Python's `random`, from which Keras draws, warning filters and environment as they were.

    JAX reads some of the variables that it sets when it is used, so that these remain.
    """
    state, environment = random.getstate(), dict(os.environ)
    try:
        with warnings.catch_warnings():  # packages that TensorFlow imports add filters
            yield
    finally:
        random.setstate(state)
        if "jax" not in sys.modules:
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ.update(environment)


@contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Discard what compiled code writes to standard error, unless the block raises: then it is written after all.

    TensorFlow logs processor flags and missing GPU libraries before any of its settings applies, directly to the file
    descriptor, where Python cannot filter it.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as log:
        sys.stderr.flush()
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
