"""Settings that belong together, and where they come from."""

from __future__ import annotations

from typing import Any, Literal, get_args

Preset = Literal["default", "art", "million"]

# Up to here Kobak and Berens combine two perplexities, above they exaggerate.
_MANY = 100_000


def preset_settings(preset: str, n_cells: int) -> dict[str, Any]:
    """The settings that a preset changes.

    Examples
    --------
    >>> preset_settings("art", 6000)
    {'initialization': 'pca', 'learning_rate': 500.0, 'affinity': 'multiscale', 'perplexity': (30, 60.0)}
    >>> preset_settings("million", 10**6)
    {'affinity': 'uniform', 'n_neighbors': 15, 'exaggeration': 4}
    """
    match preset:
        case "default":
            return {}
        case "art":
            return _art(n_cells)
        case "million":
            # Uniform weights of 15 neighbours draw what perplexity 30 does, with a sixth of the neighbours (Böhm et al. 2022).
            return {"affinity": "uniform", "n_neighbors": min(15, n_cells - 1), "exaggeration": 4}
    msg = f"preset={preset!r} is not one of {get_args(Preset)}."
    raise ValueError(msg)


def _art(n_cells: int) -> dict[str, Any]:
    settings = {"initialization": "pca", "learning_rate": max(200.0, n_cells / 12)}
    if n_cells >= _MANY:
        return settings | {"exaggeration": 4}
    if n_cells / 100 > 30:
        return settings | {"affinity": "multiscale", "perplexity": (30, n_cells / 100)}
    return settings
