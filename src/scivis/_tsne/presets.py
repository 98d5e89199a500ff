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
# The embedding of many cells is wide from the start of an anchored t-SNE. On a grid that is coarser than openTSNE's (1), the
# repulsion takes half the time and costs a thirtieth of the neighbors that are kept (docs/tsne.md).
_COARSE = 1.5


def anchored_settings(n_cells: int) -> dict[str, Any]:
    """The settings of a t-SNE with an anchor.

    It starts at the anchor, and needs no early exaggeration, which forms groups, and fewer iterations. With more cells, the
    neighbors of a cell lie nearer relative to the size of the embedding, so that the same weight disturbs them more
    (benchmarks/anchor.py). From 100,000 cells, the repulsion is computed on a coarser grid.

    Examples
    --------
    >>> [anchored_settings(n)["anchor_weight"] for n in (2_000, 20_000, 500_000)]
    [8.0, 6.06, 3.18]
    >>> [anchored_settings(n).get("ints_in_interval", 1) for n in (20_000, 100_000)]
    [1, 1.5]
    """
    weight = round(_WEIGHT * min(1.0, (_FEW / n_cells) ** 0.2), 2)
    settings = {
        "initialization": "anchor",
        "early_exaggeration_iter": 0,
        "n_iter": _ITERATIONS,
        "anchor_weight": weight,
    }
    return settings | ({"ints_in_interval": _COARSE} if n_cells >= _MANY else {})


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
