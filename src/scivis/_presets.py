"""The two sets of settings that `scivis.tl.ivis` starts from."""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["default", "classic"]

# Anchors that training sees in all: large data need fewer passes, small data more, within these bounds.
_ANCHORS, _FEWEST_PASSES, _MOST_PASSES = 1_400_000, 12, 40
_BATCH = 1024

# ivis 2.0's own settings, as its documents give them (section 1.14).
CLASSIC: dict[str, Any] = {
    "k": 150,
    "distance": "pn",
    "batch_size": 128,
    "epochs": 1000,
    "n_epochs_without_progress": 20,
    "model": "szubert",
    "learning_rate": 1e-3,
    "learning_rate_decay": False,
    "global_weight": 0.0,
    "linear_path": False,
    "standardize": False,
}


def preset_params(preset: Preset, n_cells: int) -> dict[str, Any]:
    """Parameters of :class:`scivis.Ivis` for this preset at this number of cells.

    Examples
    --------
    >>> preset_params("default", 2_000)["epochs"], preset_params("default", 1_000_000)["epochs"]
    (40, 12)
    >>> preset_params("classic", 2_000)["distance"]
    'pn'
    """
    match preset:
        case "classic":
            return dict(CLASSIC)
        case "default":
            return _default(n_cells)
    msg = f"preset={preset!r} is not one of ('default', 'classic')."
    raise ValueError(msg)


def _default(n_cells: int) -> dict[str, Any]:
    """The settings that measured best over all data sets of benchmarks/ together."""
    return {
        "k": 15,
        "distance": "infonce",
        "batch_size": min(_BATCH, max(n_cells // 4, 2)),
        "epochs": min(max(_ANCHORS // max(n_cells, 1), _FEWEST_PASSES), _MOST_PASSES),
        "n_epochs_without_progress": None,
        "model": "residual",
        "learning_rate": 1e-2,
        "learning_rate_decay": True,
        "global_weight": 0.3,
        "linear_path": True,
        "standardize": True,
    }
