"""AnnData files of the command line: `.X` stays on disk, and results are written to a copy of the file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from scivis._store.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

Entries = dict[tuple[str, str], Any]


def open_backed(path: Path) -> AnnData:
    """The cells of an h5ad file, in backed mode."""
    import anndata

    if not path.is_file():
        msg = f"There is no file {path}."
        raise FileNotFoundError(msg)
    return anndata.read_h5ad(path, backed="r")


def entries(adata: AnnData) -> Entries:
    """Entries that tools may add or replace, by group and key."""
    return {(group, key): value for group in ("obsm", "uns") for key, value in getattr(adata, group).items()}


def write_added(adata: AnnData, before: Entries, source: Path, target: Path) -> None:
    """Copy a file and add the entries that are new in `adata`. `.X` is copied without being read.

    The target is replaced as a whole: after a crash it is the old file, or missing. The source is never changed.
    """
    import h5py
    from anndata.io import write_elem

    with replacing(target) as unfinished:
        shutil.copyfile(source, unfinished)
        with h5py.File(unfinished, "r+") as file:
            write_elem(file, "obs", adata.obs)
            for (group, key), value in entries(adata).items():
                if before.get((group, key)) is not value:
                    write_elem(file.require_group(group), key, value)


def write(adata: AnnData, target: Path) -> None:
    """Write an AnnData object to a file, which is replaced as a whole."""
    with replacing(target) as unfinished:
        adata.write_h5ad(unfinished)
