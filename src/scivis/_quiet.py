"""Keeping quiet what cannot be told to be quiet: libraries that print while they are loaded."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Swallow what compiled code writes to standard error; if the block fails, write it after all.

    TensorFlow logs its processor flags and missing GPU libraries before any of its settings applies, straight to the
    file descriptor, where Python cannot filter it.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all
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
