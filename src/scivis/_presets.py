"""The two sets of settings that `scivis.tl.ivis` starts from."""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["default", "classic"]

# Anchors that training sees in all: large data need fewer passes, small data more, within these bounds.
_ANCHORS, _FEWEST_PASSES, _MOST_PASSES = 1_400_000, 14, 36
# The more other rows a batch holds, the finer the detail that InfoNCE shows; small data still need enough steps.
_LARGEST_BATCH, _STEPS_PER_PASS = 1024, 5
# Small data meet few random pairs in training, so that the distance term needs more weight to set the layout. Where cells
# lie densely a cell's nearest few show most detail; where they do not, types stay together better with some more.
_SMALL = 10_000
_SMALL_DATA, _LARGE_DATA = {"global_weight": 0.45, "k": 15}, {"global_weight": 0.22, "k": 10}

# Of a sample the network must not learn the cells but what they have in common with the others: half the passes do, and
# the layout of many cells, which meet few random pairs, takes a firmer hand (benchmarks/huge.py).
_OF_SAMPLE = {"epochs": 6, "global_weight": 0.6}
# While labels are learned: noise, in the data's standard deviations, so that they are not learned by heart, and the passes that
# it takes to learn beside it (benchmarks/supervised.py).
_INPUT_NOISE, _PASSES_WITH_LABELS = 0.45, 1.5

# ivis 2.0's own settings, as its documents give them (section 1.14).
CLASSIC: dict[str, Any] = {
    "k": 150,
    "distance": "pn",
    "batch_size": 128,
    "epochs": 1000,
    "n_epochs_without_progress": 20,
    "model": "szubert",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "learning_rate_decay": False,
    "global_weight": 0.0,
    "linear_path": False,
    "standardize": False,
    "input_noise": 0.0,
}


def preset_params(
    preset: Preset, n_cells: int, *, is_sample: bool = False, is_labelled: bool = False
) -> dict[str, Any]:
    """Parameters of :class:`scivis.Ivis` for this preset at this number of cells.

    Parameters
    ----------
    preset, n_cells
        Which settings, and how many cells are trained on.
    is_sample
        Whether these are drawn from many more.
    is_labelled
        Whether labels are learned, too.

    Examples
    --------
    >>> preset_params("default", 2_000)["epochs"], preset_params("default", 1_000_000)["epochs"]
    (36, 14)
    >>> preset_params("default", 100_000, is_sample=True)["epochs"]
    6
    >>> preset_params("default", 2_000, is_labelled=True)["epochs"]
    54
    >>> preset_params("classic", 2_000)["distance"]
    'pn'
    """
    match preset:
        case "classic":
            return dict(CLASSIC)
        case "default":
            params = _default(n_cells) | (_OF_SAMPLE if is_sample else {})
            return params | ({"epochs": round(_PASSES_WITH_LABELS * params["epochs"])} if is_labelled else {})
    msg = f"preset={preset!r} is not one of ('default', 'classic')."
    raise ValueError(msg)


def _default(n_cells: int) -> dict[str, Any]:
    """One rule for all data: what measured best over the data sets of benchmarks/ together, by number of cells."""
    return {
        "distance": "infonce",
        "batch_size": min(_LARGEST_BATCH, max(n_cells // _STEPS_PER_PASS, 2)),
        "epochs": min(max(_ANCHORS // max(n_cells, 1), _FEWEST_PASSES), _MOST_PASSES),
        "n_epochs_without_progress": None,
        "model": "residual",
        "optimizer": "muon",
        "learning_rate": 5e-3,
        "learning_rate_decay": True,
        "linear_path": True,
        "standardize": True,
        "input_noise": _INPUT_NOISE,
    } | (_SMALL_DATA if n_cells <= _SMALL else _LARGE_DATA)
