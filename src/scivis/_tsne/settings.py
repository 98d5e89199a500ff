"""The settings of a t-SNE: their defaults, which are those of openTSNE 1.0.4, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from scivis._checks import is_integer, is_real

if TYPE_CHECKING:
    from collections.abc import Callable

Affinity = Literal["perplexity", "multiscale", "uniform", "fixed_sigma", "connectivities"]
Search = Literal["auto", "exact", "annoy", "pynndescent", "hnsw", "approx"]
GradientMethod = Literal["auto", "bh", "BH", "barnes-hut", "fft", "FFT", "interpolation"]

# From here on openTSNE's interpolation is faster than its tree.
_FFT_FROM = 10_000
_MAX_BH, _MAX_FFT = 3, 2
_BARNES_HUT = ("bh", "BH", "barnes-hut")


@dataclass(frozen=True)
class Settings:
    """What :func:`scivis.tl.tsne` was asked for, by the names of its parameters."""

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
        """One or several, as a tuple."""
        return self.perplexity if isinstance(self.perplexity, tuple) else (self.perplexity,)

    @property
    def width(self) -> int | None:
        """Neighbours per cell that the affinities need; `None` if any number will do."""
        if self.affinity in ("perplexity", "multiscale"):
            return int(3 * max(self.perplexities))
        return self.n_neighbors

    def gradient(self) -> dict[str, Any]:
        """What openTSNE's gradient descent reads in every phase."""
        names = (
            "dof", "theta", "n_interpolation_points", "min_num_intervals", "ints_in_interval",
            "negative_gradient_method", "max_grad_norm", "max_step_norm", "n_jobs",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def resolve(settings: Settings, n_cells: int) -> Settings:
    """The same settings without `auto`, and with no perplexity above a third of the other cells.

    The learning rate stays `auto`: it follows the exaggeration of each phase.
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


def check_settings(settings: Settings, n_cells: int) -> None:
    """Refuse what openTSNE could not use, or would use to draw nonsense."""
    _check_choices(settings)
    for name, least in {
        "n_components": 1, "early_exaggeration_iter": 0, "n_iter": 0, "n_interpolation_points": 1,
        "min_num_intervals": 1, "callbacks_every_iters": 1,
    }.items():  # fmt: skip
        check_whole(name, getattr(settings, name), least)
    for name in ("exaggeration", "dof", "ints_in_interval", *(p for p in _AUTO if getattr(settings, p) != "auto")):
        check_positive(name, getattr(settings, name))
    for name in ("sigma", "max_grad_norm", "max_step_norm"):
        check_positive(name, getattr(settings, name), optional=True)
    for perplexity in settings.perplexities:
        check_positive("perplexity", perplexity)
    for name in ("initial_momentum", "final_momentum"):
        check_share(name, getattr(settings, name))
    if not is_real(settings.theta) or settings.theta < 0:
        msg = f"theta={settings.theta!r} must be a number of at least 0; 0 makes no approximation."
        raise ValueError(msg)
    _check_axes(settings)
    _check_kernel(settings, n_cells)


_AUTO = ("learning_rate", "early_exaggeration")


def _check_choices(settings: Settings) -> None:
    choices = {"affinity": Affinity, "neighbors": Search, "negative_gradient_method": GradientMethod}
    for name, known in choices.items():
        if (value := getattr(settings, name)) not in get_args(known):
            msg = f"{name}={value!r} is not one of {get_args(known)}."
            raise ValueError(msg)
    if settings.metric == "precomputed":
        msg = "metric='precomputed': name the graph that holds the distances with neighbors_key instead."
        raise ValueError(msg)
    if not callable(settings.metric) and not isinstance(settings.metric, str):
        msg = f"metric={settings.metric!r} is neither a name nor a function of two rows."
        raise ValueError(msg)
    for name in ("metric_params", "knn_kwargs"):
        if not isinstance(value := getattr(settings, name), dict | None):
            msg = f"{name}={value!r} must be a dictionary of arguments."
            raise ValueError(msg)
    check_whole("n_jobs", settings.n_jobs, None)


def check_whole(name: str, value: Any, least: int | None) -> None:
    """Refuse anything but a whole number of at least `least`; without a least, anything but 0 is one."""
    if is_integer(value) and (value != 0 if least is None else value >= least):
        return
    wanted = "other than 0; negative ones count from the number of cores" if least is None else f"of at least {least}"
    msg = f"{name}={value!r} must be a whole number {wanted}."
    raise ValueError(msg)


def check_positive(name: str, value: Any, *, optional: bool = False) -> None:
    """Refuse anything but a number above 0; where a limit is optional, infinity and `None` mean that there is none."""
    if optional and (value is None or value == float("inf")):
        return
    if not is_real(value) or value <= 0:
        msg = f"{name}={value!r} must be a number above 0."
        raise ValueError(msg)


def check_share(name: str, value: Any) -> None:
    """Refuse a momentum that would never end."""
    if not is_real(value) or not 0 <= value < 1:
        msg = f"{name}={value!r} must be a number from 0 to below 1."
        raise ValueError(msg)


def _check_axes(settings: Settings) -> None:
    fft = settings.negative_gradient_method not in ("auto", *_BARNES_HUT)
    if settings.n_components > (_MAX_FFT if fft else _MAX_BH):
        msg = (
            f"n_components={settings.n_components}, but t-SNE draws at most {_MAX_BH} axes, and at most {_MAX_FFT} with "
            "negative_gradient_method='fft'. For more axes take scivis.tl.ivis."
        )
        raise ValueError(msg)


def _check_kernel(settings: Settings, n_cells: int) -> None:
    if (settings.affinity == "fixed_sigma") != (settings.sigma is not None):
        msg = f"sigma={settings.sigma!r} and affinity={settings.affinity!r}: sigma belongs to 'fixed_sigma', which needs it."
        raise ValueError(msg)
    if settings.n_neighbors is None:
        return
    if settings.affinity not in ("uniform", "fixed_sigma"):
        msg = f"n_neighbors={settings.n_neighbors!r} belongs to affinity='uniform' and 'fixed_sigma': give perplexity."
        raise ValueError(msg)
    if not is_integer(settings.n_neighbors) or not 1 <= settings.n_neighbors < n_cells:
        msg = f"n_neighbors={settings.n_neighbors!r} must lie between 1 and {n_cells - 1}, one less than the cells."
        raise ValueError(msg)
