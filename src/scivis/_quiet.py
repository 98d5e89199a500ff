"""Loading of libraries that print while they are loaded, without their output."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def load_quietly(name: str) -> Any:
    """Import `keras` or `tensorflow` without the lines that TensorFlow prints meanwhile and later.

    TensorFlow's compiled code logs every device and every graph that it compiles. A log level set by the user is kept.
    """
    if name in sys.modules:
        return sys.modules[name]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_standard_error():
        return import_module(name)


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
