"""What TensorFlow registers for good is released."""

import keras
import pytest

from scivis import Ivis
from scivis.nn import Architecture, _training, build_encoder
from scivis.nn._contrastive import similarity_sums
from scivis.nn._gradients import released_gradients

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends register nothing")


def registered():
    """Names of the custom gradients that TensorFlow keeps."""
    from tensorflow.python.framework.ops import gradient_registry

    return {name for name in gradient_registry._registry if name.startswith("CustomGradient-")}


def test_our_gradients_are_released_and_those_of_others_stay():
    import tensorflow as tf

    @tf.custom_gradient
    def others(x):
        return x, lambda upstream: upstream

    def traced(function):
        return tf.function(function).get_concrete_function(tf.TensorSpec((3, 2)))

    before = registered()
    traced(similarity_sums)
    kept = registered()
    assert len(kept - before) == 1  # the reason for all this
    with released_gradients():
        traced(others)
        theirs = registered() - kept
        graph = traced(lambda x: tf.gradients(tf.reduce_sum(similarity_sums(x)), x)[0])
    assert len(theirs) == 1
    assert registered() == kept | theirs
    assert graph(tf.constant([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])).shape == (3, 2)


@pytest.mark.slow
def test_a_fit_leaves_no_gradient(points):
    before = registered()
    Ivis(k=5, distance="infonce", epochs=1, model="residual", verbose=0, random_state=0).fit(points)
    assert registered() == before


@pytest.mark.slow
def test_the_embedding_of_many_rows_leaves_no_gradient(points, monkeypatch):
    monkeypatch.setattr(_training, "_MIN_ROWS_GRAPH", 1)
    encoder, before = build_encoder(Architecture("compact", points.shape[1], 2)), registered()
    _training.embed(encoder, points)
    assert registered() == before


@pytest.mark.slow
def test_a_fit_forgets_the_kernels_of_its_graphs(points, monkeypatch):
    from tensorflow.python.eager import context

    calls = []
    monkeypatch.setattr(context.Context, "clear_kernel_cache", lambda self: calls.append(self))
    model = Ivis(k=5, epochs=1, model=[4], verbose=0, random_state=0).fit(points)
    assert calls == [context.context()]
    model.transform(points)
    assert len(calls) == 1  # placing cells keeps what the next call needs
