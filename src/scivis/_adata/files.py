"""Files of the command line: `.X` stays on disk, and what was added is written into a copy."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from scivis._store.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

Entries = dict[tuple[str, str], Any]


def open_backed(path: Path) -> AnnData:
    """The cells of an h5ad file, with `.X` and layers left on disk."""
    import anndata

    if not path.is_file():
        msg = f"There is no file {path}."
        raise FileNotFoundError(msg)
    return anndata.read_h5ad(path, backed="r")


def entries(adata: AnnData) -> Entries:
    """What the tools may add to, by group and name."""
    return {(group, key): value for group in ("obsm", "uns") for key, value in getattr(adata, group).items()}


def write_added(adata: AnnData, before: Entries, source: Path, target: Path) -> None:
    """Copy the file `source` to `target` with what `adata` has got since `before`; no part of `.X` is looked at.

    In one step: a crash leaves the old file or none under that name, never half of one, and the source as it was.
    """
    import h5py
    from anndata.io import write_elem

    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as unfinished:
        shutil.copyfile(source, unfinished)
        with h5py.File(unfinished, "r+") as file:
            write_elem(file, "obs", adata.obs)
            for (group, key), value in entries(adata).items():
                if before.get((group, key)) is not value:
                    write_elem(file.require_group(group), key, value)


def write(adata: AnnData, target: Path) -> None:
    """Write all of it, in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as unfinished:
        adata.write_h5ad(unfinished)
