"""The three sets of settings that :func:`scivis.tl.tsne` starts from."""

from __future__ import annotations

from typing import Any, Literal, get_args

from scivis._checks import check_choice

Preset = Literal["default", "art", "million"]

# Kobak and Berens combine two perplexities up to this number of cells, and exaggerate above it.
_MANY = 100_000

# Up to this number of cells, the default weight of an anchor is constant.
_FEW, _WEIGHT = 5_000, 8.0
# More iterations hardly change the embedding of few cells; of 111,690, these find .95 of the neighbors that t-SNE keeps
# (benchmarks/anchor.py sizes).
_ITERATIONS = 150
# An anchored t-SNE is wide from the start. On a grid that is coarser than openTSNE's (1), the repulsion of 10,000 cells and more takes
# half the time, and costs at most a thirtieth of the neighbors that are kept (docs/tsne.md).
_COARSE = 1.5


def anchored_settings(n_cells: int) -> dict[str, Any]:
    """The settings of a t-SNE with an anchor.

    It starts at the anchor, and needs no early exaggeration, which forms groups, and fewer iterations. With more cells, the
    neighbors of a cell lie nearer relative to the size of the embedding, so that the same weight disturbs them more
    (benchmarks/anchor.py).

    Examples
    --------
    >>> [anchored_settings(n)["anchor_weight"] for n in (2_000, 20_000, 500_000)]
    [8.0, 6.06, 3.18]
    """
    return {
        "initialization": "anchor",
        "early_exaggeration_iter": 0,
        "n_iter": _ITERATIONS,
        "anchor_weight": round(_WEIGHT * min(1.0, (_FEW / n_cells) ** 0.2), 2),
        "ints_in_interval": _COARSE,
    }


def preset_settings(preset: str, n_cells: int) -> dict[str, Any]:
    """The settings that a preset changes.

    Examples
    --------
    >>> preset_settings("art", 6000)
    {'initialization': 'pca', 'learning_rate': 500.0, 'affinity': 'multiscale', 'perplexity': (30, 60.0)}
    >>> preset_settings("million", 10**6)
    {'affinity': 'uniform', 'n_neighbors': 15, 'exaggeration': 4}
    """
    check_choice("preset", preset, get_args(Preset))
    if preset == "default":
        return {}
    if preset == "million":
        # Uniform weights of 15 neighbors give the embedding of perplexity 30 with a sixth of the neighbors (Böhm et al. 2022).
        return {"affinity": "uniform", "n_neighbors": min(15, n_cells - 1), "exaggeration": 4}
    settings = {"initialization": "pca", "learning_rate": max(200.0, n_cells / 12)}
    if n_cells >= _MANY:
        return settings | {"exaggeration": 4}
    if n_cells / 100 > 30:
        return settings | {"affinity": "multiscale", "perplexity": (30, n_cells / 100)}
    return settings
