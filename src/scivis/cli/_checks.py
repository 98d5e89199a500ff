"""Everything about files and figures that can be known before a tool runs, which may take hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scivis._store.files import check_writable
from scivis._store.space import check_space
from scivis._store.unfinished import clear_unfinished

from ._figure import format_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData


def check_files(inputs: Sequence[Path], outputs: Sequence[Path | None], *, force: bool) -> None:
    """Raise if an input is missing, or an output is an input, exists, or cannot be written.

    The first output is a copy of the first input, for which there must be space.
    """
    for path in inputs:
        _check_input(path)
    written = [path for path in outputs if path is not None]
    for path in written:
        _check_output(path, inputs, force=force)
        clear_unfinished(path)  # a copy that a killed command left may take much space
    if len({path.absolute() for path in written}) < len(written):
        msg = f"{written[0]} cannot be both the output and the figure. Choose another name for one of them."
        raise ValueError(msg)
    if inputs:
        check_space(written[0], inputs[0].stat().st_size, f"The output {written[0]}", "Choose another disk.")


def _check_input(path: Path) -> None:
    if path.is_dir() and path.suffix == ".zarr":
        msg = (
            f"{path} is a zarr store, but the command line reads h5ad files. Open it in Python with anndata.read_zarr."
        )
        raise IsADirectoryError(msg)
    if not path.is_file():
        msg = f"There is no file {path}."
        raise FileNotFoundError(msg)


def _check_output(path: Path, inputs: Sequence[Path], *, force: bool) -> None:
    if path.is_dir():
        msg = f"{path} is a folder. Name a file in it."
        raise IsADirectoryError(msg)
    if path.suffix == ".zarr":
        msg = f"{path} would be an h5ad file under the name of a zarr store. Name a file that ends in .h5ad."
        raise ValueError(msg)
    if path.exists() and any(path.samefile(file) for file in inputs):
        msg = f"{path} is an input of this command, and inputs are never replaced. Choose another name."
        raise FileExistsError(msg)
    if path.exists() and not force:
        msg = f"{path} exists. Choose another name, or replace it with --force."
        raise FileExistsError(msg)
    check_writable("output", path)


def check_figure(adata: AnnData, args: argparse.Namespace) -> None:
    """Raise for a plot that cannot be made."""
    from matplotlib.backend_bases import FigureCanvasBase

    color, figure, formats = args.color, args.figure, FigureCanvasBase.get_supported_filetypes()
    if figure is None and color is not None:
        msg = f"--color {color} is for a plot: name its file with --figure."
        raise ValueError(msg)
    if color is not None and color not in adata.obs and color not in adata.var_names:
        msg = f"--color {color} is neither a column of obs ({list(adata.obs)}) nor a gene."
        raise ValueError(msg)
    if figure is not None and format_of(figure) not in formats:
        msg = f"--figure {figure} must end in one of {sorted(formats)}."
        raise ValueError(msg)
    if figure is not None and color is None and getattr(args, "novelty", None) is False:
        msg = (
            f"--figure {figure} shows the novelty of the cells: leave out --no-novelty, or name a column with --color."
        )
        raise ValueError(msg)
    if figure is not None and getattr(args, "n_components", None) == 1:
        msg = f"--figure {figure} needs at least two dimensions, but --n-components is 1."
        raise ValueError(msg)
