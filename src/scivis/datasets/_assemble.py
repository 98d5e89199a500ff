"""Parts of a data set as one AnnData object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


def assemble(parts: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], names: Sequence[str]) -> AnnData:
    """The rows of all parts below each other, with their part (`split`) and the name of their code (`label`).

    Examples
    --------
    >>> adata = assemble({"train": (np.eye(2, dtype="float32"), np.array([1, 0]))}, ["sitting", "walking"])
    >>> adata.obs["label"].tolist(), adata.obs["split"].tolist()
    (['walking', 'sitting'], ['train', 'train'])
    """
    import pandas as pd
    from anndata import AnnData

    x = np.concatenate([rows for rows, _ in parts.values()])
    codes = np.concatenate([codes for _, codes in parts.values()]).astype(np.intp)
    split = np.repeat(list(parts), [len(rows) for rows, _ in parts.values()])
    obs = {"label": pd.Categorical.from_codes(codes, list(names)), "split": pd.Categorical(split, list(parts))}
    return AnnData(x, pd.DataFrame(obs, index=np.arange(len(x)).astype(str)))
