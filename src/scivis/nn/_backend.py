"""Keras and its backend, loaded without the output of TensorFlow."""

from scivis._quiet import load_quietly

load_quietly("keras")

import keras  # noqa: E402 (loaded above)

__all__ = ["keras"]
