"""Loads Keras and its backend, without the lines that TensorFlow prints meanwhile."""

from scivis._quiet import quiet_standard_error

with quiet_standard_error():
    import keras

__all__ = ["keras"]
