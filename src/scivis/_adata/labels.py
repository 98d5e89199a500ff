"""Labels of cells, read from `.obs` or `.obsm` as the targets of training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis.nn.supervision import Targets

_SOFTMAX = "sparse_categorical_crossentropy"
# Columns with more different integers than this probably hold counts, not classes. The user has to decide.
_MAX_INTEGER_CLASSES = 100


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of the cells.

    Parameters
    ----------
    key
        Key in `.obs` or `.obsm`, or the name of a given column.
    values
        Codes, shape (n,), indicators or numbers, shape (n, n_outputs). Missing labels are NaN, missing codes −1.
    metric
        Name of the Keras loss.
    categories
        Names of the classes in the order of the predictions; empty for regression.
    """

    key: str
    values: NDArray[Any]
    metric: str
    categories: tuple[str, ...]

    @cached_property
    def targets(self) -> Targets:
        """The labels as training reads them; an error if they cannot be learned."""
        from scivis.nn.supervision import make_targets

        return make_targets(self.values, self.metric, len(self.values))


def read_labels(
    adata: AnnData, labels: str | pd.Series, metric: str | None, unlabeled_category: str | None
) -> Labels:  # fmt: skip
    """Labels of the cells, from `.obs` or `.obsm`, or from a column that is given.

    Categories, strings, booleans and integers are classes. Other numbers are values to predict, with the mean absolute
    error as loss. A matrix of zeros and ones holds several labels per cell.

    Raises
    ------
    KeyError
        If the name is neither in `.obs` nor in `.obsm`, or `unlabeled_category` is not among the labels.
    ValueError
        If `unlabeled_category` is given for labels that are not classes, or integers could be classes or values.
    """
    if isinstance(labels, str) and labels in adata.obsm:
        _check_no_category(labels, unlabeled_category)
        return _matrix(labels, adata.obsm[labels], metric)
    key, column = _column(adata, labels, "in neither adata.obs nor adata.obsm")
    if _are_values(column, metric):
        _check_no_category(key, unlabeled_category)
        return Labels(key, column.to_numpy(np.float64, na_value=np.nan), metric or "mae", ())
    classes = _classes(key, column, metric or _SOFTMAX, unlabeled_category)
    if len(classes.categories) == 1:
        msg = f"All labels in {key!r} are {classes.categories[0]!r}: labels of at least two classes are needed."
        raise ValueError(msg)
    return classes


def read_classes(adata: AnnData, labels: str | pd.Series) -> Labels:
    """Codes of the classes in a column of `.obs`, or in one that is given: −1 for unlabeled cells.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If it holds continuous values.
    """
    key, column = _column(adata, labels, "not in adata.obs")
    if pd.api.types.is_float_dtype(column) and not (column.dropna() == column.dropna().round()).all():
        msg = f"labels={key!r} holds continuous values, but classes are needed. Bin them, for instance with pd.cut."
        raise ValueError(msg)
    return _classes(key, column, _SOFTMAX, None)


def _column(adata: AnnData, labels: Any, places: str) -> tuple[str, pd.Series]:
    """Name and values of a column of `.obs`, or of a column that is given and belongs to the cells."""
    if isinstance(labels, pd.Series):
        key, column = "labels" if labels.name is None else str(labels.name), labels
        if not column.index.equals(adata.obs_names):
            msg = f"The index of labels, a column named {key!r}, is not adata.obs_names: name a column of adata.obs instead."
            raise ValueError(msg)
    elif not isinstance(labels, str):
        value = repr(labels) if np.ndim(labels) == 0 else f"of type {type(labels).__name__}"
        msg = f"labels {value} must be a name: store the labels in a column of adata.obs, and name it."
        raise ValueError(msg)
    elif labels not in adata.obs:
        msg = f"labels={labels!r} is {places}. In .obs: {sorted(adata.obs.columns)}."
        raise KeyError(msg)
    else:
        key, column = labels, adata.obs[labels]
    _check_single(key, column)
    return key, column


def _check_single(key: str, column: pd.Series) -> None:
    """Raise for labels that are collections, which cannot be compared."""
    several = next((value for value in column if isinstance(value, list | dict | set | np.ndarray)), None)
    if several is not None:
        msg = (
            f"labels={key!r} holds values of type {type(several).__name__}, but a cell has one label. Several labels per cell "
            "are a matrix of zeros and ones in adata.obsm."
        )
        raise ValueError(msg)


def _check_no_category(key: str, unlabeled_category: str | None) -> None:
    if unlabeled_category is not None:
        msg = f"unlabeled_category={unlabeled_category!r}, but labels={key!r} holds no categories: mark unlabeled cells with NaN."
        raise ValueError(msg)


def _are_values(column: pd.Series, metric: str | None) -> bool:
    """Whether labels are values rather than classes; an error if they could be either."""
    from scivis.nn.supervision import CLASSIFICATION

    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if metric is not None:
        return numeric and metric not in CLASSIFICATION
    if not numeric or not (column.dropna() == column.dropna().round()).all():
        return numeric
    if column.nunique() > _MAX_INTEGER_CLASSES:
        msg = (
            f"labels={column.name!r} holds {column.nunique()} different integers. If they are values, pass "
            f"supervision_metric='mae'; if they are classes, convert the column to categorical."
        )
        raise ValueError(msg)
    return False


def _classes(key: str, column: pd.Series, metric: str, unlabeled_category: str | None) -> Labels:
    """Categories that occur, in the order of the column; −1 among integers marks unlabeled cells."""
    named = as_categorical(column)
    if unlabeled_category is not None and unlabeled_category not in named.cat.categories:
        msg = f"unlabeled_category={unlabeled_category!r} is not among the labels: {list(named.cat.categories)}."
        raise KeyError(msg)
    used = set(named.dropna().unique())
    # `set_categories`, because removing categories would sort the others.
    kept = [c for c in named.cat.categories if c in used and not _is_minus_one(c) and c != unlabeled_category]
    named = named.cat.set_categories(kept)
    codes, names = named.cat.codes.to_numpy(), tuple(map(str, named.cat.categories))
    if len(set(names)) < len(names):
        msg = f"labels={key!r} holds categories with equal names: {list(names)}."
        raise ValueError(msg)
    if metric == _SOFTMAX:
        return Labels(key, codes.astype(np.int64), metric, names)
    indicators = np.eye(len(names))[codes]
    indicators[codes < 0] = np.nan
    return Labels(key, indicators, metric, names)


def as_categorical(column: pd.Series) -> pd.Series:
    return column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")


def _is_minus_one(category: object) -> bool:
    return isinstance(category, int | float | np.number) and category == -1


def _matrix(key: str, entry: Any, metric: str | None) -> Labels:
    """Labels in the columns of a data frame or an array: indicators, or values to predict."""
    try:
        values = np.asarray(entry.toarray() if sparse.issparse(entry) else entry, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"labels={key!r}: adata.obsm[{key!r}] does not hold numbers. Store text labels in a column of adata.obs."
        raise ValueError(msg) from error
    values = values[:, None] if values.ndim == 1 else values
    indicators = set(np.unique(values[~np.isnan(values)])) <= {0.0, 1.0, -1.0}
    names = getattr(entry, "columns", range(values.shape[1]))
    metric = metric or ("binary_crossentropy" if indicators else "mae")
    return Labels(key, values, metric, tuple(map(str, names)))
