"""The command line: `scivis embed`, `scivis ingest`, `scivis demo`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._adata.files import entries, open_backed, write, write_added

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors of the input are one line on standard error, status 1."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, KeyError, OSError, NotImplementedError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"scivis: {message}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scivis", description="Maps of single cells, with the model in the file.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    embed = commands.add_parser("embed", help="draw a map of the cells in a file")
    embed.add_argument("input", type=Path, help="h5ad file")
    embed.add_argument("output", type=Path, help="h5ad file to write, with map and model")
    for name in ("use-rep", "layer", "mask-var", "neighbors-key", "key-added", "checkpoint"):
        embed.add_argument(f"--{name}")
    for name in ("n-components", "n-neighbors", "n-pcs", "epochs", "max-train-cells"):
        embed.add_argument(f"--{name}", type=int)
    embed.add_argument("--random-state", type=int, default=0)
    embed.add_argument("--preset", choices=("default", "classic"), default="default")
    _figure_options(embed)
    embed.set_defaults(run=_embed)

    ingest = commands.add_parser("ingest", help="place the cells of a file on a reference's map")
    ingest.add_argument("query", type=Path, help="h5ad file with the new cells")
    ingest.add_argument("reference", type=Path, help="h5ad file that holds the model")
    ingest.add_argument("output", type=Path, help="h5ad file to write: the new cells with their places")
    ingest.add_argument("--key", default="ivis")
    for name in ("use-rep", "layer"):
        ingest.add_argument(f"--{name}")
    ingest.add_argument("--min-genes", type=float, default=0.5)
    _figure_options(ingest)
    ingest.set_defaults(run=_ingest)

    demo = commands.add_parser("demo", help="map the 700 blood cells that come with scanpy")
    demo.add_argument("--out", type=Path, default=Path("demo"), help="folder for pbmc.h5ad and pbmc.png")
    demo.set_defaults(run=_demo)
    return parser


def _figure_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--figure", type=Path, help="write a picture of the map here")
    command.add_argument("--color", help="what colours the picture: a column of obs, or a gene")
    command.add_argument("--quiet", action="store_true", help="no messages and no progress bar")


def _given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that were given, for the function's own defaults to rule the others."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _save_figure(axes: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    axes.figure.savefig(path, dpi=150, bbox_inches="tight")
    print(f"wrote {path}")


def _start(*, quiet: bool) -> None:
    import matplotlib as mpl
    import scanpy as sc

    mpl.use("agg")
    sc.settings.verbosity = 0 if quiet else 3


def _embed(args: argparse.Namespace) -> None:
    import scivis

    _start(quiet=args.quiet)
    adata = open_backed(args.input)
    before = entries(adata)
    names = (
        "use_rep", "layer", "neighbors_key", "key_added", "n_components", "n_neighbors", "n_pcs", "epochs",
        "random_state", "preset", "mask_var", "max_train_cells", "checkpoint",
    )  # fmt: skip
    _check_picture(adata, args)
    if args.figure and args.n_components == 1:
        msg = "--figure needs two axes: a map of one axis is no scatter plot."
        raise ValueError(msg)
    scivis.tl.ivis(adata, **_given(args, *names))
    write_added(adata, before, args.input, args.output)
    print(f"wrote {args.output}")
    if args.figure:
        _save_figure(scivis.pl.ivis(adata, key=args.key_added or "ivis", color=args.color, show=False), args.figure)


def _check_picture(adata: AnnData, args: argparse.Namespace) -> None:
    """Refuse a picture that could not be drawn, before the work whose end it is."""
    from matplotlib.backend_bases import FigureCanvasBase

    color, formats = args.color, FigureCanvasBase.get_supported_filetypes()
    if color is not None and color not in adata.obs and color not in adata.var_names:
        msg = f"--color {color} is neither a column of obs ({list(adata.obs)}) nor a gene."
        raise ValueError(msg)
    if args.figure and args.figure.suffix.lstrip(".").lower() not in formats:
        msg = f"--figure {args.figure} must end in one of {sorted(formats)}."
        raise ValueError(msg)


def _ingest(args: argparse.Namespace) -> None:
    import scivis

    _start(quiet=args.quiet)
    query, reference = open_backed(args.query), open_backed(args.reference)
    before = entries(query)
    _check_picture(query, args)
    scivis.tl.ingest(query, reference, **_given(args, "key", "use_rep", "layer", "min_genes"))
    write_added(query, before, args.query, args.output)
    print(f"wrote {args.output}")
    if args.figure:
        axes = scivis.pl.ingest(query, reference, key=args.key, color=args.color, show=False)
        _save_figure(axes, args.figure)


def _demo(args: argparse.Namespace) -> None:
    """The main job on real cells: a map with its model, and a picture of it."""
    import scanpy as sc

    import scivis

    _start(quiet=False)
    adata = sc.datasets.pbmc68k_reduced()
    scivis.tl.ivis(adata)
    write(adata, args.out / "pbmc.h5ad")
    print(f"wrote {args.out / 'pbmc.h5ad'}")
    axes = scivis.pl.ivis(adata, color="bulk_labels", title="700 blood cells, scivis.tl.ivis", show=False)
    _save_figure(axes, args.out / "pbmc.png")
