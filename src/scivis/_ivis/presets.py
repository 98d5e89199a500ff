"""The two sets of settings that `scivis.tl.ivis` starts from."""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["default", "classic"]

# Small data: rows of one batch are neighbours often enough to come alone. Few random pairs are met in training, so that the
# distance term needs more weight to set the layout.
_SMALL = 10_000
_SMALL_DATA = {"epochs": 32, "global_weight": 0.33, "k": 25, "learning_rate": 8e-3}
_STEPS_PER_PASS = 5
# Large data: each anchor comes with neighbours. A cell's nearest few show most detail where cells lie densely. Training
# sees so many anchors in all: larger data need fewer passes, within these bounds.
_LARGE_DATA = {"batch_size": 512, "global_weight": 0.27, "k": 10, "learning_rate": 5e-3}
_ANCHORS, _FEWEST_PASSES, _MOST_PASSES = 560_000, 5, 14

# Of a sample the network must not learn the cells but what they have in common with the others: half the passes do, and
# the layout of many cells, which meet few random pairs, takes a firmer hand (benchmarks/huge.py).
_OF_SAMPLE = {"epochs": 3, "global_weight": 0.6}
# While labels are learned: noise, in the data's standard deviations, so that they are not learned by heart, and the passes that
# it takes to learn beside it. With many cells, more anchors at a time, as their neighbours mostly have their label
# (benchmarks/supervised.py).
_INPUT_NOISE = 0.45
_PASSES_WITH_LABELS, _PASSES_WITH_MANY_LABELS, _ANCHORS_WITH_LABELS = 1.5, 4.0, 1024

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
    preset: Preset, n_cells: int, *, is_subsample: bool = False, is_labeled: bool = False
) -> dict[str, Any]:
    """Parameters of :class:`scivis.Ivis` for this preset at this number of cells.

    Parameters
    ----------
    preset, n_cells
        Which settings, and how many cells are trained on.
    is_subsample
        Whether these are drawn from many more.
    is_labeled
        Whether labels are learned, too.

    Examples
    --------
    >>> preset_params("default", 2_000)["epochs"], preset_params("default", 1_000_000)["epochs"]
    (32, 5)
    >>> preset_params("default", 100_000, is_subsample=True)["epochs"]
    3
    >>> preset_params("default", 2_000, is_labeled=True)["epochs"]
    48
    >>> preset_params("classic", 2_000)["distance"]
    'pn'
    """
    match preset:
        case "classic":
            return dict(CLASSIC)
        case "default":
            params = _default(n_cells) | (_OF_SAMPLE if is_subsample else {})
            return params | (_with_labels(n_cells, params["epochs"]) if is_labeled else {})
    msg = f"preset={preset!r} is not one of ('default', 'classic')."
    raise ValueError(msg)


def _default(n_cells: int) -> dict[str, Any]:
    """One rule for all data: what measured best over the data sets of benchmarks/ together, by number of cells."""
    if n_cells <= _SMALL:
        sizes = _SMALL_DATA | {"batch_size": max(-(-n_cells // _STEPS_PER_PASS), 2)}
    else:
        sizes = _LARGE_DATA | {"epochs": min(max(_ANCHORS // n_cells, _FEWEST_PASSES), _MOST_PASSES)}
    return sizes | {
        "distance": "infonce",
        "n_epochs_without_progress": None,
        "model": "residual",
        "optimizer": "muon",
        "learning_rate_decay": True,
        "linear_path": True,
        "standardize": True,
        "input_noise": _INPUT_NOISE,
    }


def _with_labels(n_cells: int, epochs: int) -> dict[str, Any]:
    if n_cells <= _SMALL:
        return {"epochs": round(_PASSES_WITH_LABELS * epochs)}
    return {"epochs": round(_PASSES_WITH_MANY_LABELS * epochs), "batch_size": _ANCHORS_WITH_LABELS}
