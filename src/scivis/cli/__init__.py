"""The command line: `scivis embed`, `scivis ingest`, `scivis demo`."""

from ._main import main

__all__ = ["main"]
