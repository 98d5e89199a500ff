"""Refusing what cannot be embedded, before any work, with the argument's name, its value and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._rows import BLOCK, check_finite

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def given_settings(**settings: Any) -> dict[str, Any]:
    """Those that the caller gave."""
    return {name: value for name, value in settings.items() if value is not None}


def is_whole(value: object) -> bool:
    """Whether a value is an integer, and not a truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether a value is a finite number, and not a truth value."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def check_rows(x: NDArray[np.float32]) -> None:
    """Refuse rows from which nothing can be learned."""
    if x.ndim < 2 or x.shape[0] < 3 or 0 in x.shape:
        msg = f"The data have shape {x.shape}; at least 3 rows of features are needed."
        raise ValueError(msg)
    varies = False
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        check_finite(block, "The data", first_row=start)
        varies = varies or bool((block != x[:1]).any())
    if not varies:
        msg = f"All {len(x)} rows are equal: there is nothing to embed. Is this the matrix you meant?"
        raise ValueError(msg)


def check_settings(
    n_rows: int, *, n_components: int, batch_size: int, epochs: int, learning_rate: float, global_weight: float
) -> None:
    """Refuse numbers that training could not use on `n_rows` rows."""
    check_positive_int("n_components", n_components)
    check_positive_int("epochs", epochs)
    if not is_whole(batch_size) or not 2 <= batch_size <= n_rows:
        msg = f"batch_size={batch_size!r} must be a whole number between 2 and the number of cells, {n_rows}."
        raise ValueError(msg)
    if not is_real(learning_rate) or learning_rate <= 0:
        msg = f"learning_rate={learning_rate!r} must be a number above 0."
        raise ValueError(msg)
    if not is_real(global_weight) or global_weight < 0:
        msg = f"global_weight={global_weight!r} must be a number of at least 0."
        raise ValueError(msg)


def check_positive_int(name: str, value: object) -> None:
    """Refuse anything but a whole number of at least 1."""
    if not is_whole(value) or value < 1:  # type: ignore[operator]  # a whole number by then
        msg = f"{name}={value!r} must be a whole number of at least 1."
        raise ValueError(msg)


def check_shape(given: tuple[int, ...], fitted: tuple[int | None, ...]) -> None:
    """Refuse rows of another shape than the model was fitted on."""
    rows = given[1:]
    if len(rows) != len(fitted) or any(want not in (None, have) for have, want in zip(rows, fitted, strict=True)):
        msg = f"The model was fitted on rows of shape {fitted}, but these have shape {rows}."
        raise ValueError(msg)


def check_copy(adata: AnnData, *, copy: bool) -> None:
    """Refuse to copy what lies in a file."""
    if copy and adata.isbacked:
        msg = "copy=True needs adata in memory: run it on adata.to_memory(), or leave copy out."
        raise ValueError(msg)


def check_seed(random_state: object) -> None:
    """Refuse what is neither a seed nor a generator."""
    if isinstance(random_state, np.random.Generator):
        return
    if not is_whole(random_state) or random_state < 0:  # type: ignore[operator]  # a whole number by then
        msg = f"random_state={random_state!r} must be a whole number of at least 0, or a NumPy Generator."
        raise ValueError(msg)
