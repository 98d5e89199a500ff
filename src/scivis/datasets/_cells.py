"""Single cells of two conditions: a reference and a query."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ._download import Source, fetch

if TYPE_CHECKING:
    from anndata import AnnData

_KANG = Source(
    "https://raw.githubusercontent.com/theislab/scgen/f8541a6e785e8e0bf3398729de92e5e342065bed/data/valid.h5ad",
    "git:1c1ac1c706fe2e82e654efbf7ec451f30097ff79",
)


def kang() -> AnnData:
    """Blood cells with and without interferon-β (Kang et al., Nature Biotechnology 36, 89, 2018), 2.3 MB.

    These are the cells that the authors of scGen used for validation (Lotfollahi et al., Nature Methods 16, 715, 2019).

    Returns
    -------
    1,975 cells × 6,998 genes, normalized and log-transformed (float32, sparse); `obs["condition"]`, `control` (936 cells)
    or `stimulated`, and `obs["cell_type"]`, 7 types.

    Raises
    ------
    OSError
        If the file is not in the cache and cannot be downloaded.
    ValueError
        If the downloaded file has another checksum.

    Examples
    --------
    >>> kang().shape  # doctest: +SKIP
    (1975, 6998)
    """
    import anndata as ad
    from scipy import sparse

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # for a file that is older than `.obsp`
        stored = ad.read_h5ad(fetch(_KANG, "kang.h5ad"))
    return ad.AnnData(sparse.csr_matrix(stored.X), stored.obs[["condition", "cell_type"]], stored.var[[]])
