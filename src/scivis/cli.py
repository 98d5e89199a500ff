"""Command line: `scivis embed`, `scivis ingest`, `scivis demo`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._adata.files import entries, open_backed, write, write_added

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

# Options that are arguments of `tl.ivis` and `tl.ingest`, by their names there.
_EMBED: dict[str, dict[str, Any]] = {
    "use_rep": {"help": "representation: a key of obsm, or X"},
    "n_pcs": {"type": int, "help": "number of columns of the representation"},
    "layer": {"help": "layer to use as the representation"},
    "mask_var": {"help": "boolean column of var with the genes to use"},
    "n_components": {"type": int, "help": "number of dimensions of the embedding"},
    "n_neighbors": {"type": int, "help": "number of neighbors; neighbors are then searched"},
    "neighbors_key": {"help": "neighbor graph: the key_added of sc.pp.neighbors"},
    "preset": {"choices": ("default", "classic"), "default": "default", "help": "settings; classic: those of ivis 2.0"},
    "epochs": {"type": int, "help": "maximum number of epochs"},
    "max_train_cells": {"type": int, "help": "maximum number of training cells"},
    "checkpoint": {"help": "folder from which an interrupted call resumes"},
    "random_state": {"type": int, "default": 0, "help": "seed"},
    "key_added": {"help": "key of embedding and model"},
}
_INGEST: dict[str, dict[str, Any]] = {
    "key": {"default": "ivis", "help": "method, or the key_added of its call"},
    "use_rep": {"help": "key of obsm to read instead of the expression"},
    "layer": {"help": "layer with the expression"},
    "correct": {"action": argparse.BooleanOptionalAction, "help": "correct batches of the query toward the reference"},
    "batch_key": {"help": "column of obs with the batches to correct"},
    "min_genes": {"type": float, "default": 0.5, "help": "minimum fraction of the genes of the model in the query"},
    "prepare": {"choices": ("auto", "none", "counts", "log1p"), "help": "units of the query; auto recognizes them"},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 1 after an error, which is one line on standard error."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, KeyError, OSError, NotImplementedError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"scivis: {message}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scivis", description="Embed single cells; the model is stored with the data."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    embed = commands.add_parser("embed", help="embed the cells of a file")
    embed.add_argument("input", type=Path, help="h5ad file with the cells")
    embed.add_argument("output", type=Path, help="h5ad file to write, with embedding and model")
    _add_options(embed, _EMBED)
    embed.set_defaults(run=_embed)

    ingest = commands.add_parser("ingest", help="map the cells of a file to the embedding of a reference")
    ingest.add_argument("query", type=Path, help="h5ad file with the new cells")
    ingest.add_argument("reference", type=Path, help="h5ad file with the model")
    ingest.add_argument("output", type=Path, help="h5ad file to write: the new cells with their coordinates")
    _add_options(ingest, _INGEST)
    ingest.set_defaults(run=_ingest)

    demo = commands.add_parser("demo", help="embed the 700 blood cells that scanpy includes")
    demo.add_argument("--out", type=Path, default=Path("demo"), help="folder for pbmc.h5ad and pbmc.png")
    demo.set_defaults(run=_demo)
    return parser


def _add_options(command: argparse.ArgumentParser, options: dict[str, dict[str, Any]]) -> None:
    for name, option in options.items():
        command.add_argument(f"--{name.replace('_', '-')}", **option)
    command.add_argument("--figure", type=Path, help="file for a plot of the embedding")
    command.add_argument("--color", help="column of obs, or gene, that colors the plot")
    command.add_argument("--quiet", action="store_true", help="print no messages and no progress bar")


def _embed(args: argparse.Namespace) -> None:
    import scivis

    _start(quiet=args.quiet)
    adata = open_backed(args.input)
    _check_figure(adata, args)
    if args.figure and args.n_components == 1:
        msg = f"--figure {args.figure} needs at least two dimensions, but --n-components is 1."
        raise ValueError(msg)
    before = entries(adata)
    scivis.tl.ivis(adata, **_given(args, _EMBED))
    write_added(adata, before, args.input, args.output)
    print(f"wrote {args.output}")
    if args.figure:
        _save_figure(scivis.pl.ivis(adata, key=args.key_added or "ivis", color=args.color, show=False), args.figure)


def _ingest(args: argparse.Namespace) -> None:
    import scivis

    _start(quiet=args.quiet)
    query, reference = open_backed(args.query), open_backed(args.reference)
    _check_figure(query, args)
    before = entries(query)
    scivis.tl.ingest(query, reference, **_given(args, _INGEST))
    write_added(query, before, args.query, args.output)
    print(f"wrote {args.output}")
    if args.figure:
        _save_figure(scivis.pl.ingest(query, reference, key=args.key, color=args.color, show=False), args.figure)


def _demo(args: argparse.Namespace) -> None:
    import scanpy as sc

    import scivis

    _start(quiet=False)
    adata = sc.datasets.pbmc68k_reduced()
    scivis.tl.ivis(adata)
    write(adata, args.out / "pbmc.h5ad")
    print(f"wrote {args.out / 'pbmc.h5ad'}")
    axes = scivis.pl.ivis(adata, color="bulk_labels", title="700 blood cells, scivis.tl.ivis", show=False)
    _save_figure(axes, args.out / "pbmc.png")


def _start(*, quiet: bool) -> None:
    import matplotlib as mpl
    import scanpy as sc

    mpl.use("agg")
    sc.settings.verbosity = 0 if quiet else 3


def _given(args: argparse.Namespace, names: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _check_figure(adata: AnnData, args: argparse.Namespace) -> None:
    """Raise, before any work, for a plot that cannot be made."""
    from matplotlib.backend_bases import FigureCanvasBase

    color, formats = args.color, FigureCanvasBase.get_supported_filetypes()
    if color is not None and color not in adata.obs and color not in adata.var_names:
        msg = f"--color {color} is neither a column of obs ({list(adata.obs)}) nor a gene."
        raise ValueError(msg)
    if args.figure and args.figure.suffix.lstrip(".").lower() not in formats:
        msg = f"--figure {args.figure} must end in one of {sorted(formats)}."
        raise ValueError(msg)


def _save_figure(axes: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    axes.figure.savefig(path, dpi=150, bbox_inches="tight")
    print(f"wrote {path}")
