"""The two sets of settings that `scivis.tl.ivis` starts from."""

from __future__ import annotations

from typing import Any, Literal, get_args

from scivis._checks import check_choice

Preset = Literal["default", "classic"]

# Small data: a batch holds a fifth of the rows, among which neighbors are frequent, so that no positives are added to the
# anchors. Training meets few random pairs, and the distance term needs a higher weight to set the layout.
_SMALL_UP_TO = 10_000
_SMALL_DATA = {"epochs": 32, "global_weight": 0.33, "k": 25, "learning_rate": 8e-3}
_STEPS_PER_EPOCH = 5
# Large data: positives are added to each anchor. Where cells lie densely, the nearest few neighbors show most detail. The
# total number of anchors is fixed: larger data need fewer epochs, within these bounds.
_LARGE_DATA = {"batch_size": 512, "global_weight": 0.27, "k": 10, "learning_rate": 5e-3}
_TOTAL_ANCHORS, _MIN_EPOCHS, _MAX_EPOCHS = 560_000, 5, 14

# A subsample: fewer epochs, so that the network generalizes to the other cells, and a higher weight for the layout of many
# cells, of which few random pairs are met (benchmarks/huge.py).
_SUBSAMPLE = {"epochs": 3, "global_weight": 0.6}
# With labels: noise, in standard deviations of the data, against overfitting of the labels, and more epochs to learn despite
# it. With many cells, larger batches, as neighbors mostly share their label (benchmarks/supervised.py).
_INPUT_NOISE = 0.45
_EPOCHS_FACTOR, _EPOCHS_FACTOR_LARGE, _BATCH_SIZE_LARGE = 1.5, 4.0, 1024

# Settings of ivis 2.0, from its documentation (section 1.14).
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
    """Parameters of :class:`scivis.Ivis` for a preset and a number of training cells.

    Examples
    --------
    >>> preset_params("default", 2_000)["epochs"], preset_params("default", 1_000_000)["epochs"]
    (32, 5)
    >>> preset_params("default", 100_000, is_subsample=True)["epochs"]
    3
    >>> preset_params("default", 2_000, is_labeled=True)["epochs"]
    48
    """
    check_choice("preset", preset, get_args(Preset))
    if preset == "classic":
        return dict(CLASSIC)
    params = _default(n_cells) | (_SUBSAMPLE if is_subsample else {})
    return params | (_with_labels(n_cells, params["epochs"]) if is_labeled else {})


def _default(n_cells: int) -> dict[str, Any]:
    """The settings that performed best over all data sets of benchmarks/, by number of cells."""
    if n_cells <= _SMALL_UP_TO:
        sizes = _SMALL_DATA | {"batch_size": max(-(-n_cells // _STEPS_PER_EPOCH), 2)}
    else:
        sizes = _LARGE_DATA | {"epochs": min(max(_TOTAL_ANCHORS // n_cells, _MIN_EPOCHS), _MAX_EPOCHS)}
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
    if n_cells <= _SMALL_UP_TO:
        return {"epochs": round(_EPOCHS_FACTOR * epochs)}
    return {"epochs": round(_EPOCHS_FACTOR_LARGE * epochs), "batch_size": _BATCH_SIZE_LARGE}
