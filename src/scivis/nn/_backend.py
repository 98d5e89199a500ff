"""Loads Keras and its backend, without the lines that TensorFlow prints meanwhile and later."""

import os

from scivis._quiet import quiet_standard_error

# TensorFlow's compiled code logs every device and cluster that it compiles; a level that the user has set stands.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

with quiet_standard_error():
    import keras

__all__ = ["keras"]
