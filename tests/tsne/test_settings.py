"""Settings that depend on the number of cells, and presets."""

import pytest

from scivis._tsne.presets import preset_settings
from scivis._tsne.settings import Settings, resolve


def test_auto_is_the_tree_for_few_cells_or_three_dimensions():
    methods = [
        resolve(Settings(n_components=d), n).negative_gradient_method for n, d in ((9999, 2), (10**4, 2), (10**4, 3))
    ]
    assert methods == ["bh", "fft", "bh"]


def test_early_exaggeration_is_at_least_the_exaggeration():
    assert [resolve(Settings(exaggeration=e), 100).early_exaggeration for e in (1, 4, 20)] == [12, 12, 20]


def test_presets_are_those_of_their_papers():
    assert preset_settings("default", 5000) == {}
    assert preset_settings("art", 600) == {"initialization": "pca", "learning_rate": 200.0}
    assert preset_settings("art", 20_000)["perplexity"] == (30, 200)
    assert preset_settings("art", 200_000) == {
        "initialization": "pca",
        "learning_rate": 200_000 / 12,
        "exaggeration": 4,
    }
    with pytest.raises(ValueError, match="preset='fast' is not one of"):
        preset_settings("fast", 10)
