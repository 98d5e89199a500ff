"""The two sets of settings that `scivis.tl.ivis` starts from."""

from __future__ import annotations

from typing import Any, Literal, get_args

from scivis._checks import check_choice

Preset = Literal["default", "classic"]

# Many passes through a narrow network with noise in its input place new cells better, in the same time, than few passes
# through a wide one without, which learns the cells of training by heart (benchmarks/place.py).
# Small data: a batch holds a fifth of the rows, among which neighbors are frequent, so that no positives are added to the
# anchors. Training meets few random pairs, and the distance term needs a higher weight to set the layout.
_SMALL_UP_TO = 10_000
_SMALL_DATA = {"epochs": 80, "global_weight": 0.33, "k": 25, "learning_rate": 1.4e-2, "input_noise": 0.2}
_STEPS_PER_EPOCH = 5
# Large data: positives are added to each anchor. Where cells lie densely, the nearest few neighbors show most detail, and
# less noise blurs it. The total number of anchors is fixed: larger data need fewer epochs, within these bounds.
_LARGE_DATA = {"batch_size": 512, "global_weight": 0.27, "k": 10, "learning_rate": 8e-3, "input_noise": 0.1}
_TOTAL_ANCHORS, _MIN_EPOCHS, _MAX_EPOCHS = 1_120_000, 5, 28

# A subsample of many cells: fewer epochs, and a higher weight for the layout of many cells, of which few random pairs are
# met (benchmarks/huge.py).
_SUBSAMPLE = {"epochs": 3, "global_weight": 0.6}
# With labels: more noise, as labels are learned by heart more easily than neighbors, and a wide network. With many cells,
# larger batches, as neighbors mostly share their label (benchmarks/supervised.py).
_WITH_LABELS = {"input_noise": 0.45, "model": "residual"}
_SMALL_WITH_LABELS = {"epochs": 48, "learning_rate": 8e-3}
_LARGE_WITH_LABELS = {"batch_size": 1024, "learning_rate": 5e-3}
_ANCHORS_WITH_LABELS, _MIN_EPOCHS_WITH_LABELS, _MAX_EPOCHS_WITH_LABELS = 2_240_000, 20, 56
_SUBSAMPLE_WITH_LABELS = {"epochs": 12}

# Coordinates that are given are learned by heart even more easily than labels. More noise places new cells better, and fits the
# cells of the map worse (benchmarks/adopt.py).
_MAP: dict[str, Any] = {
    "distance": "coordinates",
    "input_noise": 0.4,
    "global_weight": 0.0,
    "supervision_metric": "mae",
    "supervision_weight": 1.0,
    "learning_rate": 8e-3,
}
_TOTAL_MAP_CELLS, _MAX_MAP_EPOCHS = 1_200_000, 80

# More training of a fitted model, in which the coordinates of old cells have this weight. With .15, one old cell in a
# hundred moves by more than 10 % of the map. Half of the noise suffices for cells that are held, and blurs the others less
# (benchmarks/extend.py).
_EXTENSION_EPOCHS, _EXTENSION_NOISE, _HOLD = 120, 0.5, 0.17
# Number of cells over all epochs, if there are many.
_TOTAL_EXTENSION = 1_600_000

# The settings that performed best over all data sets of benchmarks/, for any number of cells.
_DEFAULT = {
    "distance": "infonce",
    "n_epochs_without_progress": None,
    "model": "compact",
    "optimizer": "muon",
    "learning_rate_decay": True,
    "linear_path": True,
    "standardize": True,
}

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
    (80, 5)
    >>> preset_params("default", 100_000, is_subsample=True)["epochs"]
    3
    >>> preset_params("default", 2_000, is_labeled=True)["epochs"]
    48
    """
    check_choice("preset", preset, get_args(Preset))
    if preset == "classic":
        # Few cells have fewer neighbors, of which one must be left as a negative, and fit into one batch.
        return CLASSIC | {
            "k": _most_neighbors(CLASSIC["k"], n_cells - 1),
            "batch_size": min(CLASSIC["batch_size"], n_cells),
        }
    is_small = n_cells <= _SMALL_UP_TO
    params = _small_data(n_cells) if is_small else _large_data(n_cells, is_subsample=is_subsample)
    if is_labeled:
        params |= _SMALL_WITH_LABELS if is_small else _large_with_labels(n_cells, is_subsample=is_subsample)
    return _DEFAULT | params | (_WITH_LABELS if is_labeled else {})


def map_params(n_cells: int) -> dict[str, Any]:
    """Parameters of :class:`scivis.Ivis` for learning the coordinates of so many cells.

    Examples
    --------
    >>> map_params(2_000)["epochs"], map_params(100_000)["epochs"]
    (80, 12)
    """
    is_small = n_cells <= _SMALL_UP_TO
    size = _small_data(n_cells) if is_small else _large_data(n_cells, is_subsample=False)
    epochs = _SMALL_DATA["epochs"] if is_small else _epochs(_TOTAL_MAP_CELLS, n_cells, _MIN_EPOCHS, _MAX_MAP_EPOCHS)
    return _DEFAULT | size | _MAP | {"epochs": epochs}


def extension_params(n_cells: int, input_noise: float) -> dict[str, Any]:
    """Settings of :class:`scivis.Ivis` that differ when a fitted model is trained further, with so many old and new cells.

    Examples
    --------
    >>> extension_params(2_000, 0.2)
    {'epochs': 120, 'batch_size': 400, 'input_noise': 0.1, 'supervision_weight': 0.17}
    >>> extension_params(100_000, 0.2)["epochs"]
    16
    """
    is_small = n_cells <= _SMALL_UP_TO
    epochs = _EXTENSION_EPOCHS if is_small else _epochs(_TOTAL_EXTENSION, n_cells, _MIN_EPOCHS, _EXTENSION_EPOCHS)
    size = _small_data(n_cells) if is_small else _LARGE_DATA
    noise = input_noise * _EXTENSION_NOISE
    return {"epochs": epochs, "batch_size": size["batch_size"], "input_noise": noise, "supervision_weight": _HOLD}


def _small_data(n_cells: int) -> dict[str, Any]:
    k = _most_neighbors(_SMALL_DATA["k"], n_cells)
    return _SMALL_DATA | {"batch_size": max(-(-n_cells // _STEPS_PER_EPOCH), 2), "k": k}


def _most_neighbors(k: Any, n_cells: int) -> int:
    """`k`, or the number of other cells if that is smaller."""
    return min(int(k), max(n_cells - 1, 1))


def _large_data(n_cells: int, *, is_subsample: bool) -> dict[str, Any]:
    epochs = _epochs(_TOTAL_ANCHORS, n_cells, _MIN_EPOCHS, _MAX_EPOCHS)
    return _LARGE_DATA | {"epochs": epochs} | (_SUBSAMPLE if is_subsample else {})


def _large_with_labels(n_cells: int, *, is_subsample: bool) -> dict[str, Any]:
    epochs = _epochs(_ANCHORS_WITH_LABELS, n_cells, _MIN_EPOCHS_WITH_LABELS, _MAX_EPOCHS_WITH_LABELS)
    return _LARGE_WITH_LABELS | {"epochs": epochs} | (_SUBSAMPLE_WITH_LABELS if is_subsample else {})


def _epochs(n_anchors: int, n_cells: int, least: int, most: int) -> int:
    """Epochs in which so many anchors are visited, within bounds."""
    return min(max(n_anchors // n_cells, least), most)
