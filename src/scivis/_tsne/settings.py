"""The settings of a t-SNE: the parameters of :func:`scivis.tl.tsne` as one frozen record, validated in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from scivis._checks import (
    check_choice,
    check_integer,
    check_positive,
    check_positive_int,
    check_real,
    is_integer,
    is_real,
)
from scivis.neighbors._search import check_n_neighbors

if TYPE_CHECKING:
    from collections.abc import Callable

Affinity = Literal["perplexity", "multiscale", "uniform", "fixed_sigma", "connectivities"]
Search = Literal["auto", "exact", "annoy", "pynndescent", "hnsw", "approx"]
GradientMethod = Literal["auto", "bh", "BH", "barnes-hut", "fft", "FFT", "interpolation"]

# From this number of cells on, openTSNE's interpolation is faster than its Barnes-Hut tree.
_FFT_FROM = 10_000
_MAX_BH, _MAX_FFT = 3, 2
_BARNES_HUT = ("bh", "BH", "barnes-hut")


@dataclass(frozen=True)
class Settings:
    """Parameters of :func:`scivis.tl.tsne`, by its names, with the defaults of openTSNE 1.0.4; empty keys for no anchor and no mask."""

    n_components: int = 2
    affinity: Affinity = "perplexity"
    perplexity: float | tuple[float, ...] = 30
    sigma: float | None = None
    n_neighbors: int | None = None
    metric: str | Callable[..., float] = "euclidean"
    metric_params: dict[str, Any] | None = None
    neighbors: Search = "auto"
    knn_kwargs: dict[str, Any] | None = None
    initialization: str = "pca"
    anchor: str = ""
    anchor_weight: float = 8
    anchor_mask: str = ""
    learning_rate: float | Literal["auto"] = "auto"
    early_exaggeration_iter: int = 250
    early_exaggeration: float | Literal["auto"] = "auto"
    n_iter: int = 500
    exaggeration: float = 1
    dof: float = 1
    theta: float = 0.5
    n_interpolation_points: int = 3
    min_num_intervals: int = 50
    ints_in_interval: float = 1
    negative_gradient_method: GradientMethod = "auto"
    initial_momentum: float = 0.8
    final_momentum: float = 0.8
    max_grad_norm: float | None = None
    max_step_norm: float | None = 5
    n_jobs: int = -1
    callbacks_every_iters: int = 50
    random_state: int = 0

    @property
    def perplexities(self) -> tuple[float, ...]:
        """One or several perplexities as a tuple."""
        return self.perplexity if isinstance(self.perplexity, tuple) else (self.perplexity,)

    @property
    def is_anchored(self) -> bool:
        """Whether an anchor pulls the cells."""
        return bool(self.anchor) and self.anchor_weight > 0

    @property
    def n_required(self) -> int | None:
        """Number of neighbors per cell that the affinities require; `None` if any number is sufficient."""
        if self.affinity in ("perplexity", "multiscale"):
            return int(3 * max(self.perplexities))
        return self.n_neighbors

    def gradient(self) -> dict[str, Any]:
        """Arguments of openTSNE's gradient descent that are the same in both phases."""
        names = (
            "dof", "theta", "n_interpolation_points", "min_num_intervals", "ints_in_interval",
            "negative_gradient_method", "max_grad_norm", "max_step_norm", "n_jobs",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def plain(self) -> dict[str, Any]:
        """Settings as values that JSON can hold; a metric that is a function is named `custom`."""
        return vars(self) | ({"metric": "custom"} if callable(self.metric) else {})


def resolve(settings: Settings, n_cells: int) -> Settings:
    """The same settings without `auto`, and without perplexities above a third of the other cells.

    The learning rate stays `auto`, because it depends on the exaggeration of each phase.
    """
    early, method = settings.early_exaggeration, settings.negative_gradient_method
    if method == "auto":
        method = "fft" if n_cells >= _FFT_FROM and settings.n_components <= _MAX_FFT else "bh"
    perplexities = tuple(dict.fromkeys(min(p, (n_cells - 1) / 3) for p in settings.perplexities))
    return replace(
        settings,
        perplexity=perplexities if isinstance(settings.perplexity, tuple) else perplexities[0],
        early_exaggeration=max(12, settings.exaggeration) if early == "auto" else early,
        negative_gradient_method="bh" if method in _BARNES_HUT else "fft",
    )


def phases(settings: Any) -> list[tuple[int, float, float]]:
    """Number of iterations, exaggeration and momentum of early exaggeration and final phase, unless they have no iterations.

    The settings are resolved :class:`Settings` or :class:`scivis._tsne.placement.PlacementSettings`.
    """
    early = settings.early_exaggeration_iter, float(settings.early_exaggeration), settings.initial_momentum
    final = settings.n_iter, settings.exaggeration, settings.final_momentum
    return [phase for phase in (early, final) if phase[0]]


def check_settings(settings: Settings, n_cells: int) -> None:
    """Raise if settings cannot be used to embed `n_cells` cells. This comes before any work."""
    check_choice("affinity", settings.affinity, get_args(Affinity))
    check_choice("neighbors", settings.neighbors, get_args(Search))
    check_choice("negative_gradient_method", settings.negative_gradient_method, get_args(GradientMethod))
    for name in ("n_components", "n_interpolation_points", "min_num_intervals", "callbacks_every_iters"):
        check_positive_int(name, getattr(settings, name))
    for name in ("dof", "ints_in_interval"):
        check_positive(name, getattr(settings, name))
    check_real("theta", settings.theta, at_least=0)
    check_schedule(settings)
    _check_anchor(settings)
    _check_search(settings)
    _check_affinity(settings, n_cells)
    most = _MAX_BH if settings.negative_gradient_method in ("auto", *_BARNES_HUT) else _MAX_FFT
    if settings.n_components > most:
        limit = f"at most {most} with negative_gradient_method={settings.negative_gradient_method!r}"
        msg = f"n_components={settings.n_components} must be {limit}. For more, use scivis.tl.ivis."
        raise ValueError(msg)


def check_schedule(settings: Any) -> None:
    """Raise if the settings that determine :func:`phases` cannot be used."""
    for perplexity in settings.perplexities:
        check_positive("perplexity", perplexity)
    for name in ("early_exaggeration_iter", "n_iter"):
        check_integer(name, getattr(settings, name), at_least=0)
    check_positive("exaggeration", settings.exaggeration)
    for name in ("early_exaggeration", "learning_rate"):
        if (value := getattr(settings, name)) != "auto":
            check_positive(name, value)
    for name in ("max_grad_norm", "max_step_norm"):
        check_limit(name, getattr(settings, name))
    for name in ("initial_momentum", "final_momentum"):
        if not is_real(value := getattr(settings, name)) or not 0 <= value < 1:
            msg = f"{name}={value!r} must be a number of at least 0 and below 1."
            raise ValueError(msg)


def check_limit(name: str, value: object) -> None:
    """Raise unless a value is a number above 0; infinity and `None` mean that there is no limit."""
    if value is not None and value != float("inf"):
        check_positive(name, value)


def _check_anchor(settings: Settings) -> None:
    for name in ("anchor", "anchor_mask"):
        if not isinstance(value := getattr(settings, name), str):
            msg = f"{name}={value!r} must be a key of adata.{'obsm' if name == 'anchor' else 'obs'}."
            raise ValueError(msg)
    unused = [name for name in ("anchor_weight", "anchor_mask") if getattr(settings, name) != getattr(Settings, name)]
    if unused and not settings.anchor:
        msg = f"{unused} apply to an anchor, but there is none: name it with anchor=."
        raise ValueError(msg)
    if settings.anchor_weight != float("inf"):
        check_real("anchor_weight", settings.anchor_weight, at_least=0)
    if settings.initialization == "anchor" and not settings.is_anchored:
        msg = "initialization='anchor' starts at an anchor, but there is none: name one, or choose another initialization."
        raise ValueError(msg)


def _check_search(settings: Settings) -> None:
    metric = settings.metric
    if metric == "precomputed":
        msg = "metric='precomputed' is not supported: name the graph of the distances with neighbors_key."
        raise ValueError(msg)
    if not callable(metric) and not isinstance(metric, str):
        msg = f"metric={metric!r} must be a name or a function of two rows."
        raise ValueError(msg)
    for name in ("metric_params", "knn_kwargs"):
        if not isinstance(value := getattr(settings, name), dict | None):
            msg = f"{name}={value!r} must be a dictionary of arguments."
            raise ValueError(msg)
    if not is_integer(settings.n_jobs) or settings.n_jobs == 0:
        msg = f"n_jobs={settings.n_jobs!r} must be an integer other than 0; −1 uses all cores."
        raise ValueError(msg)


def _check_affinity(settings: Settings, n_cells: int) -> None:
    affinity, sigma, n_neighbors = settings.affinity, settings.sigma, settings.n_neighbors
    if (affinity == "fixed_sigma") != (sigma is not None):
        msg = f"sigma={sigma!r}, affinity={affinity!r}: sigma is for 'fixed_sigma' only, which requires it."
        raise ValueError(msg)
    check_limit("sigma", sigma)
    if n_neighbors is not None:
        if affinity not in ("uniform", "fixed_sigma"):
            msg = f"n_neighbors={n_neighbors!r} is for affinity='uniform' and 'fixed_sigma' only: set perplexity."
            raise ValueError(msg)
        check_n_neighbors(n_neighbors, n_cells)
