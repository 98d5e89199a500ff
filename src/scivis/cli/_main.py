"""One command from its arguments to its exit status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ._options import parser
from ._signals import Stopped, raising_stopped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_EXPECTED = (ValueError, KeyError, TypeError, OSError, NotImplementedError, ImportError, MemoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 after an error, or 128 plus the number of a signal.

    An error is one line on standard error, and so is the end by Ctrl-C, SIGTERM or SIGHUP.
    """
    args = parser().parse_args(argv)
    try:
        with raising_stopped():
            args.run(args)
    except _EXPECTED as error:
        return _end(_message(error, args), 1)
    except Stopped as stopped:
        hint = f"; the same command goes on from {point}" if (point := getattr(args, "checkpoint", None)) else ""
        return _end(f"stopped by {stopped}{hint}", stopped.status)
    return 0


def _end(line: str, status: int) -> int:
    print(f"scivis: {line}", file=sys.stderr)
    return status


def _message(error: BaseException, args: argparse.Namespace) -> str:
    """The message of an error in one line, with the names of the input files unless it names a file itself."""
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    line = " ".join(str(message).split())
    files = [str(file) for name in ("input", "query", "reference") if (file := getattr(args, name, None))]
    named = [*files, str(args.output)] if files else []
    return line if not files or any(name in line for name in named) else f"{' on '.join(files)}: {line}"
