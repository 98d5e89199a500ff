"""Single cells: two conditions of blood, cord blood with proteins, and embryos from one cell to 64."""

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

_CBMC = Source(
    "https://raw.githubusercontent.com/ttgump/scDCC/142e4e0370f4134751e92a160f95f97fce8db369/data/CITE_PBMC/CITE_CBMC_counts_top2000.h5",
    "git:3e2f78b0f596bac7a84570a0c3a5b894a03f7d17",
)
# The file has neither: the names are those of the publication, in its order. They agree with the proteins of the cells.
_CBMC_TYPES = (
    "Memory CD4 T", "CD14+ Mono", "Naive CD4 T", "NK", "Mouse", "B", "CD8 T", "CD16+ Mono", "T/Mono doublets", "CD34+",
    "Multiplets", "Erythrocytes", "Megakaryocytes", "DC", "pDC",
)  # fmt: skip
_CBMC_PROTEINS = ("CD3", "CD4", "CD8", "CD45RA", "CD56", "CD16", "CD11c", "CD14", "CD19", "CD34")

_EMBRYO = Source(
    "https://raw.githubusercontent.com/sods/ods/f62e5b8397d00eece211852e0b778d6d8f5c5e0f/datasets/guo_qpcr.csv",
    "git:3fa2f7e9a65ed6a110bb86c829534008d3cee9c6",
)
# In the order of development; of two stages, the file also tells the lineage.
_EMBRYO_TYPES = ("1", "2", "4", "8", "16", "32 ICM", "32 TE", "64 EPI", "64 PE", "64 TE")


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


def cbmc() -> AnnData:
    """Cord blood with ten measured proteins (CITE-seq; Stoeckius et al., Nature Methods 14, 865, 2017), 2.3 MB.

    These are the counts that the authors of scDCC used (Tian et al., Nature Communications 12, 1873, 2021). The file has
    neither names of genes nor of clusters. The 15 clusters are named in the order of the publication, which agrees with their
    proteins: high CD19 in `B`, CD34 in `CD34+`, CD3 and CD14 in `T/Mono doublets`. Mouse cells were added by the experimenters
    as a control.

    Returns
    -------
    8,617 cells × the 2,000 most variable genes, counts (float32, sparse); `obs["cell_type"]`, 15 types;
    `obsm["protein"]`, a :class:`pandas.DataFrame` of 10 proteins (centered log-ratios).

    Raises
    ------
    OSError
        If the file is not in the cache and cannot be downloaded.
    ValueError
        If the downloaded file has another checksum.

    Examples
    --------
    >>> cbmc().shape  # doctest: +SKIP
    (8617, 2000)
    """
    import anndata as ad
    import h5py
    import numpy as np
    import pandas as pd
    from scipy import sparse

    with h5py.File(fetch(_CBMC, "cbmc.h5"), "r") as file:
        counts, protein, cluster = (file[name][:] for name in ("X", "ADT_X", "Y"))
    names = pd.Index([f"cell {i}" for i in range(len(counts))])
    cell_type = pd.Categorical.from_codes(cluster.astype(int) - 1, list(_CBMC_TYPES))
    return ad.AnnData(
        sparse.csr_matrix(counts, dtype=np.float32),
        pd.DataFrame({"cell_type": cell_type}, index=names),
        pd.DataFrame(index=[f"gene {i}" for i in range(counts.shape[1])]),
        obsm={"protein": pd.DataFrame(protein, index=names, columns=list(_CBMC_PROTEINS))},
    )


def embryo() -> AnnData:
    """Cells of mouse embryos from the zygote to the blastocyst of 64 cells (Guo et al., Developmental Cell 18, 675, 2010), 0.3 MB.

    48 genes were measured by PCR. The file of the Open Data Science Initiative holds standardized cycle numbers, which are lower
    where more of a gene is expressed: their negatives are returned.

    Returns
    -------
    437 cells × 48 genes (float32), each with mean 0 and variance 1; `obs["stage"]`, the number of cells of the embryo, and
    `obs["cell_type"]`, the stage with the lineage: inner cell mass (ICM) or trophectoderm (TE) of 32 cells; epiblast (EPI),
    primitive endoderm (PE) or trophectoderm of 64.

    Raises
    ------
    OSError
        If the file is not in the cache and cannot be downloaded.
    ValueError
        If the downloaded file has another checksum.

    Examples
    --------
    >>> embryo().shape  # doctest: +SKIP
    (437, 48)
    """
    import anndata as ad
    import numpy as np
    import pandas as pd

    stored = pd.read_csv(fetch(_EMBRYO, "guo_qpcr.csv"), index_col=0)
    names = [f"cell {i}" for i in range(len(stored))]
    cell_type = pd.Categorical(stored.index.astype(str).str.strip(), list(_EMBRYO_TYPES))
    stage = [int(name.split()[0]) for name in cell_type]
    obs = pd.DataFrame({"stage": stage, "cell_type": cell_type}, index=names)
    return ad.AnnData(-stored.to_numpy(np.float32), obs, pd.DataFrame(index=stored.columns))
