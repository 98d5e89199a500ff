"""The settings of the presets."""

from __future__ import annotations

import inspect

import pytest

import scivis
from scivis._ivis.presets import preset_params
from scivis._ivis.settings import Settings, check_settings


def test_classic_has_the_defaults_that_ivis_documents():
    """Documentation of ivis, section 1.14; the learning rate is that of Keras for Adam."""
    documented = {
        "k": 150,
        "distance": "pn",
        "batch_size": 128,
        "epochs": 1000,
        "n_epochs_without_progress": 20,
        "model": "szubert",
        "learning_rate": 1e-3,
    }
    classic = preset_params("classic", 5000)
    assert {name: classic[name] for name in documented} == documented
    # Settings that ivis does not have are off.
    assert not any(classic[name] for name in ("learning_rate_decay", "global_weight", "linear_path", "standardize"))


def test_classic_has_the_defaults_of_the_estimator():
    defaults = {name: p.default for name, p in inspect.signature(scivis.Ivis).parameters.items()}
    classic = preset_params("classic", 5000)
    assert {name: defaults[name] for name in classic} == classic


@pytest.mark.parametrize("n_cells", [16, 100, 700, 5000, 10**5, 10**7])
@pytest.mark.parametrize("is_labeled", [False, True], ids=["unlabeled", "labeled"])
def test_the_default_is_valid_for_any_number_of_cells(n_cells, is_labeled):
    params = preset_params("default", n_cells, is_labeled=is_labeled)
    assert set(params) <= set(inspect.signature(scivis.Ivis).parameters)
    check_settings(Settings(**params), n_cells)
    assert params["batch_size"] <= n_cells


def test_larger_data_are_trained_for_fewer_epochs():
    epochs = [preset_params("default", n)["epochs"] for n in (10, 1000, 30_000, 70_000, 110_000, 10**6, 10**8)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] > epochs[-1] >= 1


def test_changes_to_a_preset_do_not_affect_later_calls():
    preset_params("classic", 1000)["k"] = 3
    assert preset_params("classic", 1000)["k"] == 150


def test_an_unknown_preset_is_rejected_with_the_known_ones():
    with pytest.raises(ValueError, match=r"preset='fast' is not one of \('default', 'classic'\)"):
        preset_params("fast", 100)


@pytest.mark.parametrize(("n_cells", "epochs", "batch_size"), [(5000, 48, 1000), (60_000, 37, 1024), (10**6, 20, 1024)])
def test_labels_are_learned_with_more_epochs_and_on_many_cells_with_larger_batches(n_cells, epochs, batch_size):
    plain, labeled = (preset_params("default", n_cells, is_labeled=is_labeled) for is_labeled in (False, True))
    assert (labeled["epochs"], labeled["batch_size"]) == (epochs, batch_size)
    assert labeled["input_noise"] > plain["input_noise"]
    changed = {key for key in plain if plain[key] != labeled[key]}
    assert changed <= {"epochs", "batch_size", "input_noise", "learning_rate", "model"}


@pytest.mark.parametrize("is_labeled", [False, True], ids=["unlabeled", "labeled"])
def test_a_subsample_is_trained_for_fewer_epochs_only_if_it_is_large(is_labeled):
    whole, sample = (
        [preset_params("default", n, is_subsample=is_sample, is_labeled=is_labeled)["epochs"] for n in (5000, 100_000)]
        for is_sample in (False, True)
    )
    assert sample[0] == whole[0]
    assert sample[1] < whole[1]
