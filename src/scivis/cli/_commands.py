"""What the commands do: everything that can be known is checked, then a tool runs, then its results are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._adata.files import entries, open_backed, write, write_added

from ._checks import check_figure, check_files
from ._figure import save_figure

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from anndata import AnnData


def embed(args: argparse.Namespace) -> None:
    """Run `tl.ivis` on the cells of a file."""
    adata = _run("ivis", args)
    if args.figure:
        _plot(adata, args, args.key_added or "ivis", args.color)


def adopt(args: argparse.Namespace) -> None:
    """Run `tl.adopt` on the cells of a file and their map, which is plotted with the misfit of the cells."""
    adata = _run("adopt", args)
    if args.figure:
        _plot(adata, args, args.basis, args.color or f"{args.key_added or args.basis.removeprefix('X_')}_misfit")


def _run(tool: str, args: argparse.Namespace) -> AnnData:
    """Run a tool on the cells of a file, and write a copy of the file with the results."""
    import scivis

    _start(quiet=args.quiet)
    check_files([args.input], [args.output, args.figure], force=args.force)
    adata = open_backed(args.input)
    check_figure(adata, args)
    before = entries(adata)
    getattr(scivis.tl, tool)(adata, **_given(args))
    write_added(adata, before, args.input, args.output)
    _report(args, args.output)
    return adata


def _plot(adata: AnnData, args: argparse.Namespace, key: str, color: str | None) -> None:
    import scivis

    save_figure(scivis.pl.ivis(adata, key=key, color=color, show=False), args.figure)
    _report(args, args.figure)


def ingest(args: argparse.Namespace) -> None:
    """Run `tl.ingest` on the cells of a file, with the model of another."""
    import scivis

    _start(quiet=args.quiet)
    check_files([args.query, args.reference], [args.output, args.figure], force=args.force)
    query, reference = open_backed(args.query), open_backed(args.reference)
    check_figure(query, args)
    before = entries(query)
    scivis.tl.ingest(query, reference, **_given(args))
    write_added(query, before, args.query, args.output)
    _report(args, args.output)
    if args.figure:
        save_figure(scivis.pl.ingest(query, reference, key=args.key, color=args.color, show=False), args.figure)
        _report(args, args.figure)


def demo(args: argparse.Namespace) -> None:
    """Run `tl.ivis` on the data that scanpy includes, and plot the result."""
    import scanpy as sc

    import scivis

    _start(quiet=args.quiet)
    output, figure = args.out / "pbmc.h5ad", args.out / "pbmc.png"
    check_files([], [output, figure], force=args.force)
    adata = sc.datasets.pbmc68k_reduced()
    scivis.tl.ivis(adata)
    write(adata, output)
    _report(args, output)
    save_figure(scivis.pl.ivis(adata, color="bulk_labels", title="700 blood cells, scivis.tl.ivis", show=False), figure)
    _report(args, figure)


def _start(*, quiet: bool) -> None:
    import matplotlib as mpl
    import scanpy as sc

    mpl.use("agg")
    sc.settings.verbosity = 0 if quiet else 3


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the tool that were given or have a default."""
    return {name: value for name in args.tool if (value := getattr(args, name)) is not None}


def _report(args: argparse.Namespace, path: Path) -> None:
    if not args.quiet:
        print(f"wrote {path}")
