"""Files that were damaged at random: noticed, or without effect; a section of `fuzz.py`.

A few bytes are changed, 512 bytes are zeroed as by a lost sector of a disk, or the end of the file is lost. What is wrong with a
model folder or a checkpoint is said by scivis. AnnData files are read by anndata, which may notice first. On some damaged bytes the
HDF5 library never ends, or ends the process, while anndata reads: these files are counted in a row of their own.
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from fuzz_entries import cells, reference_cells
from mutants import is_own

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reader = Callable[[Path], list[np.ndarray]]

_CALL = {"n_neighbors": 5, "network": [4], "epochs": 1, "labels": "group"}
# A folder is judged in a moment, a checkpoint is a call of `tl.ivis`.
KINDS = ("folder",) * 4 + ("h5ad",) * 3 + ("zarr",) * 2 + ("checkpoint",)
# A byte, a few, or a sector.
_SECTOR = 512
# The last line of a process that HDF5 ended, or that was ended because HDF5 did not end.
_READING = "anndata reads"
_SECONDS = 30  # of the processor, because the machine may be busy


class UnreadableError(Exception):
    """anndata could not read the file."""


def trials(seed: int, n: int, first: int = 0) -> Iterator[tuple[str, str | None]]:
    """Promise and failure, if there is one, of the trials from `first` to `n`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_originals(folder)
        expected = {kind: READERS[kind](folder / kind) for kind in READERS}
        for i in range(first, n):
            rng, kind = random.Random(f"{seed} {i}"), KINDS[i % len(KINDS)]
            what, copy = damaged_copy(folder / kind, folder / "damaged", rng)
            failure = judged(READERS[kind], copy, expected[kind])
            yield f"damaged {kind}: noticed, or an equal result", failure and f"{what}: {failure}"


def judged(read: Reader, path: Path, expected: list[np.ndarray]) -> str | None:
    """The failure: an error from elsewhere, or another result."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of anndata, about names that are no longer unique
            result = read(path)
    except UnreadableError:
        return None
    except Exception as error:  # noqa: BLE001 (which errors there are is what is tested)
        return None if is_own(error) else f"{type(error).__name__}: {str(error)[:200]}"
    same = len(result) == len(expected) and all(map(np.array_equal, result, expected))
    return None if same else "another result without an error"


def write_originals(folder: Path) -> None:
    """One of each kind, under the name of the kind."""
    adata = reference_cells(("labeled",))
    adata.write_h5ad(folder / "h5ad")
    adata.write_zarr(folder / "zarr")
    scivis.get.model(adata, "labeled").save_model(folder / "folder")
    scivis.tl.ivis(cells(60, 0), checkpoint=folder / "checkpoint", **_CALL)


def damaged_copy(original: Path, copy: Path, rng: random.Random) -> tuple[str, Path]:
    """A copy with one damaged file, and what was done to it."""
    shutil.rmtree(copy) if copy.is_dir() else copy.unlink(missing_ok=True)
    if original.is_dir():
        shutil.copytree(original, copy)
        file = rng.choice(sorted(path for path in copy.rglob("*") if path.is_file()))
    else:
        file = Path(shutil.copyfile(original, copy))
    content = bytearray(file.read_bytes())
    place, kind = rng.randrange(max(len(content), 1)), rng.choice(["changed"] * 3 + ["zeroed", "truncated"])
    if kind == "changed":
        for at in {place, *(rng.randrange(len(content)) for _ in range(rng.choice([0, 0, 3])))} if content else ():
            content[at] ^= rng.randrange(1, 256)
    elif kind == "zeroed":
        content[place : place + _SECTOR] = bytes(len(content[place : place + _SECTOR]))
    else:
        del content[place:]
    file.write_bytes(content)
    return f"{file.relative_to(copy.parent)} {kind} at {place}", copy


def read_folder(path: Path) -> list[np.ndarray]:
    """Coordinates and predictions of new cells by the model of a folder."""
    model, rows = scivis.Ivis().load_model(path), cells(4, 1).X
    return [model.transform(rows), model.score_samples(rows)]


def read_anndata(path: Path) -> list[np.ndarray]:
    """What `tl.ingest` writes for new cells."""
    print(_READING, file=sys.stderr, flush=True)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)  # no handler: HDF5 would not give it time to run
    try:
        adata = ad.read_zarr(path) if path.is_dir() else ad.read_h5ad(path)
    except Exception as error:
        raise UnreadableError from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        print("read", file=sys.stderr, flush=True)
    query = cells(4, 1)
    scivis.tl.ingest(query, adata, key="labeled")
    return [np.asarray(query.obsm[name]) for name in sorted(query.obsm)]


def read_checkpoint(path: Path) -> list[np.ndarray]:
    """The result of the call to which a checkpoint belongs, which was complete."""
    adata = cells(60, 0)
    scivis.tl.ivis(adata, checkpoint=path, **_CALL)
    return [adata.obsm["X_ivis"], adata.obsm["ivis_scores"], adata.uns["ivis"]["history"]["loss"]]


READERS: dict[str, Reader] = {
    "folder": read_folder,
    "h5ad": read_anndata,
    "zarr": read_anndata,
    "checkpoint": read_checkpoint,
}
