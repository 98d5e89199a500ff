"""Keras and its backend, loaded without the output of TensorFlow."""

import os

from scivis._quiet import load_quietly

load_quietly("keras")

import keras  # noqa: E402 (loaded above)

__all__ = ["check_process", "keras"]
# The process that computed first.
_FIRST: dict[str, int] = {}


def check_process() -> None:
    """Raise in a process that was forked from one that has computed: it would wait for threads that are not there."""
    if _FIRST.setdefault("pid", os.getpid()) != os.getpid():
        msg = (
            "This process was forked from one in which scivis has computed. The threads of the Keras backend are not copied by "
            "a fork, and computing here would never end. Start processes by multiprocessing.get_context('spawn') or "
            "'forkserver', or with joblib, whose default does so."
        )
        raise RuntimeError(msg)
