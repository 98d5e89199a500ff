"""The two sets of settings."""

from __future__ import annotations

import inspect

import pytest

import scivis
from scivis._checks import check_settings
from scivis._ivis.presets import preset_params


def test_classic_has_the_defaults_that_ivis_documents():
    """ivis documents, section 1.14; the learning rate is Keras's for Adam."""
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
    # What ivis does not have is off.
    assert not any(classic[name] for name in ("learning_rate_decay", "global_weight", "linear_path", "standardize"))


def test_classic_is_what_the_estimator_does_by_default():
    defaults = {name: p.default for name, p in inspect.signature(scivis.Ivis).parameters.items()}
    classic = preset_params("classic", 5000)
    assert {name: defaults[name] for name in classic} == classic


@pytest.mark.parametrize("preset", ["default", "classic"])
def test_presets_set_parameters_of_the_estimator(preset):
    assert set(preset_params(preset, 5000)) <= set(inspect.signature(scivis.Ivis).parameters)


@pytest.mark.parametrize("n_cells", [16, 100, 700, 5000, 10**5, 10**7])
def test_the_default_suits_any_number_of_cells(n_cells):
    params = preset_params("default", n_cells)
    check_settings(
        n_cells,
        n_components=2,
        **{name: params[name] for name in ("batch_size", "epochs", "learning_rate", "global_weight")},
    )
    assert params["batch_size"] <= n_cells


def test_larger_data_get_no_more_passes():
    passes = [preset_params("default", n)["epochs"] for n in (10, 1000, 30_000, 70_000, 110_000, 10**6, 10**8)]
    assert passes == sorted(passes, reverse=True)
    assert passes[0] > passes[-1] >= 1


def test_a_preset_can_be_changed_without_changing_the_next():
    preset_params("classic", 100)["k"] = 3
    assert preset_params("classic", 100)["k"] == 150


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"preset='fast' is not one of \('default', 'classic'\)"):
        preset_params("fast", 100)


@pytest.mark.parametrize(("n_cells", "epochs", "batch_size"), [(5000, 48, 1000), (60_000, 36, 1024), (10**6, 20, 1024)])
def test_labels_take_more_passes_and_of_many_cells_more_anchors_at_a_time(n_cells, epochs, batch_size):
    plain, told = (preset_params("default", n_cells, is_labelled=labelled) for labelled in (False, True))
    assert (told["epochs"], told["batch_size"]) == (epochs, batch_size)
    assert {key for key in plain if plain[key] != told[key]} <= {"epochs", "batch_size"}
