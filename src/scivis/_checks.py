"""Validation of single arguments: errors that name the argument, its value, and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection


MIN_CELLS = 3
# Larger integers are not exact as floating-point numbers, and products of them overflow.
_LARGEST = 2**53


def given_settings(**settings: Any) -> dict[str, Any]:
    """Arguments that the caller set, that is, those that are not `None`."""
    return {name: value for name, value in settings.items() if value is not None}


def is_integer(value: object) -> bool:
    """Whether a value is an integer. Booleans do not count."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether a value is a finite real number. Booleans do not count."""
    # Not `numpy.isfinite`, which rejects integers of more than 64 bits. NaN is not below infinity.
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and bool(-np.inf < value < np.inf)
    )


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raise unless a value is one of the choices."""
    if value not in choices:
        msg = f"{name}={value!r} is not one of {tuple(choices)}."
        raise ValueError(msg)


def check_n_cells(n_cells: int) -> None:
    """Raise for fewer cells than there must be for one to be nearer than another."""
    if n_cells < MIN_CELLS:
        msg = f"adata has {n_cells} cell{'' if n_cells == 1 else 's'}, but at least {MIN_CELLS} are needed."
        raise ValueError(msg)


def check_integer(name: str, value: object, *, at_least: int, at_most: int | None = None) -> None:
    """Raise unless a value is an integer between two bounds; without an upper one, it must not be beyond all meaning."""
    if is_integer(value) and at_least <= value <= (_LARGEST if at_most is None else at_most):  # type: ignore[operator]
        return
    bounds = f"between {at_least} and {at_most}"
    if at_most is None:
        is_large = is_integer(value) and value > _LARGEST  # type: ignore[operator]
        bounds = f"of at most {_LARGEST}" if is_large else f"of at least {at_least}"
    msg = f"{name}={value!r} must be an integer {bounds}."
    raise ValueError(msg)


def check_positive_int(name: str, value: object) -> None:
    """Raise unless a value is an integer of at least 1."""
    check_integer(name, value, at_least=1)


def check_real(name: str, value: object, *, at_least: float) -> None:
    """Raise unless a value is a finite number of at least `at_least`."""
    if not is_real(value) or value < at_least:  # type: ignore[operator]  # a number by then
        msg = f"{name}={value!r} must be a number of at least {at_least}."
        raise ValueError(msg)


def check_positive(name: str, value: object) -> None:
    """Raise unless a value is a finite number above 0."""
    if not is_real(value) or value <= 0:  # type: ignore[operator]  # a number by then
        msg = f"{name}={value!r} must be a number above 0."
        raise ValueError(msg)


def check_fraction(name: str, value: object) -> None:
    """Raise unless a value is a number between 0 and 1."""
    if not is_real(value) or not 0 <= value <= 1:  # type: ignore[operator]  # a number by then
        msg = f"{name}={value!r} must be a number between 0 and 1."
        raise ValueError(msg)


def check_flag(name: str, value: object) -> None:
    """Raise unless a value is true or false, or the number 1 or 0."""
    if not isinstance(value, bool | int | np.bool_ | np.integer) or value not in (0, 1):
        msg = f"{name}={value!r} must be True or False."
        raise ValueError(msg)


def copy_or_inplace(*, copy: bool, inplace: bool | None) -> bool:
    """Whether a tool returns a copy: `copy`, or the opposite of `inplace`, the former name, with a warning."""
    if inplace is None:
        return copy
    msg = f"inplace={inplace!r} is deprecated, use copy={not inplace}."
    warnings.warn(msg, FutureWarning, stacklevel=3)
    return not inplace


def check_callbacks(callbacks: Any) -> None:
    """Raise unless a value is a collection of Keras callbacks, or `None`."""
    listed = list(callbacks or ()) if isinstance(callbacks, Iterable | None) else [callbacks]
    if wrong := [callback for callback in listed if not hasattr(callback, "set_model")]:
        msg = f"callbacks={callbacks!r} must be a list of Keras callbacks, but {wrong[0]!r} is none."
        raise ValueError(msg)


def check_path(name: str, value: object) -> None:
    """Raise unless a value is a path."""
    if not isinstance(value, str | PathLike) or not str(value):
        msg = f"{name}={value!r} must be a path."
        raise ValueError(msg)


def check_shape(given: tuple[int, ...], fitted: tuple[int | None, ...]) -> None:
    """Raise unless rows have the shape that a model was fitted on.

    Parameters
    ----------
    given
        Shape of an array, its number of rows first.
    fitted
        Shape of one row; `None` allows any length of an axis.
    """
    rows = given[1:]
    if len(rows) != len(fitted) or any(want not in (None, have) for have, want in zip(rows, fitted, strict=True)):
        msg = f"The model was fitted on rows of shape {fitted}, but these have shape {rows}."
        raise ValueError(msg)
