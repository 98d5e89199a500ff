"""Loading of libraries that print while they are loaded, without their output and without garbage collection."""

from __future__ import annotations

import gc
import logging
import os
import random
import sys
import tempfile
import warnings
from contextlib import contextmanager
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Standard error and random state are those of the process, not of a thread.
_LOCK, _REDIRECTING = RLock(), RLock()


def load_quietly(name: str) -> Any:
    """Import `keras` or `tensorflow` without the lines that TensorFlow prints meanwhile and later.

    Every import of these packages in scivis goes through this function, and that of TensorFlow, by whichever package, through
    :mod:`scivis._quiet_import`. TensorFlow's compiled code logs every device and
    every graph that it compiles. A log level set by the user is kept; the one that is set here remains in the environment,
    because it is also read later.
    """
    # In a second thread, the module may be there, but not complete: `import_module` waits for the first thread.
    with _LOCK:
        if name in sys.modules:
            return import_module(name)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with quiet_standard_error(), _unchanged_globals(), paused_collector():
            return import_module(name)


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
def paused_collector() -> Iterator[None]:
    """Pause the garbage collector of Python, where many objects are made that all remain.

    The collector would look through all of them several times, and find nothing: without it, Keras is loaded in two thirds of
    the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Discard what compiled code writes to standard error, unless the block raises: then it is written after all.

    TensorFlow logs processor flags and missing GPU libraries before any of its settings applies, directly to the file
    descriptor, where Python cannot filter it.
    """
    # Another thread that redirects it now does so for all threads. To wait for it could block both: it may be importing.
    if not _REDIRECTING.acquire(blocking=False):
        yield
        return
    try:
        with _redirected():
            yield
    finally:
        _REDIRECTING.release()


@contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """Discard the warnings of TensorFlow that functions are traced often: each fit has a model, and a graph, of its own."""

    def is_kept(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_kept)
    try:
        yield
    finally:
        logger.removeFilter(is_kept)


@contextmanager
def _redirected() -> Iterator[None]:
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
