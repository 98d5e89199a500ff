"""AnnData files of the command line: `.X` stays on disk, and results are written to a copy of the file."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any

from scivis._store.files import replacing
from scivis._store.overlay import Overlay
from scivis._verbosity import verbose

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

# Bytes that are copied at a time, and from which on copying takes so long that it needs a progress bar.
_BLOCK, _LARGE = 2**24, 2**30

Entries = dict[tuple[str, str], Any]


def open_backed(path: Path) -> AnnData:
    """The cells of an h5ad file, in backed mode."""
    import anndata

    try:
        return anndata.read_h5ad(path, backed="r")
    except (OSError, KeyError, ValueError, TypeError) as error:  # one of them, by what is wrong
        msg = f"{path} cannot be read as an h5ad file ({error})."
        raise OSError(msg) from error


def entries(adata: AnnData) -> Entries:
    """Entries that tools may add or replace, by group and key."""
    return {(group, key): value for group in ("obsm", "uns") for key, value in getattr(adata, group).items()}


def write_added(adata: AnnData, before: Entries, source: Path, target: Path) -> None:
    """Copy a file, add the entries that are new in `adata`, and remove those that are gone. `.X` is copied without being read.

    The target is replaced as a whole: after a crash it is the old file, or missing. The source is never changed.
    """
    with source.open("rb") as file, replacing(target) as unfinished:
        changes = Overlay(file)
        # Signals are handled in the main thread: none of them interrupts HDF5.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_add, adata, before, changes).result()
        _copy(source, unfinished)
        with unfinished.open("r+b") as copy:
            changes.apply(copy)


def _add(adata: AnnData, before: Entries, content: Overlay) -> None:
    """Write `.obs` and the new entries to the content of an h5ad file, and remove those that are gone."""
    import h5py
    from anndata.io import write_elem

    with h5py.File(content, "r+") as file:
        write_elem(file, "obs", adata.obs)
        after = entries(adata)
        for group, key in before.keys() - after.keys():
            del file[group][key]
        for (group, key), value in after.items():
            if before.get((group, key)) is not value:
                write_elem(file.require_group(group), key, value)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, with a progress bar if it is large."""
    from tqdm.auto import tqdm

    size = source.stat().st_size
    is_silent = not verbose() or size < _LARGE
    with (
        source.open("rb") as read,
        target.open("wb") as written,
        tqdm.wrapattr(written, "write", total=size, desc="copying", disable=is_silent) as counted,
    ):
        shutil.copyfileobj(read, counted, _BLOCK)


def write(adata: AnnData, target: Path) -> None:
    """Write a small AnnData object to a file, which is replaced as a whole."""
    import h5py
    from anndata.io import write_elem

    content = BytesIO()  # for the same reason as `Overlay`
    with h5py.File(content, "w") as file:
        write_elem(file, "/", adata)
    with replacing(target) as unfinished:
        unfinished.write_bytes(content.getbuffer())
