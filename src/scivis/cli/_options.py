"""Arguments and options of the commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scivis import __version__

from ._commands import adopt, demo, embed, ingest

# Options that are arguments of `tl.ivis`, `tl.adopt` and `tl.ingest`, by their names there.
EMBED: dict[str, dict[str, Any]] = {
    "use_rep": {"help": "representation of the cells: a key of obsm, or X (default: the PCA)"},
    "n_pcs": {"type": int, "help": "number of columns of the representation; 0 is X"},
    "layer": {"help": "layer to use as the representation"},
    "mask_var": {"help": "boolean column of var with the genes to use"},
    "n_components": {"type": int, "help": "number of dimensions of the embedding (default: 2)"},
    "n_neighbors": {"type": int, "help": "number of neighbors of a cell; neighbors are then searched"},
    "neighbors_key": {"help": "neighbor graph to use: the key_added of sc.pp.neighbors"},
    "labels": {"help": "column of obs with labels to learn as well; missing labels are allowed"},
    "unlabeled_category": {"help": "category of --labels that marks unlabeled cells"},
    "preset": {
        "choices": ("default", "classic"),
        "default": "default",
        "help": "settings; classic is ivis 2.0 (default: %(default)s)",
    },
    "epochs": {"type": int, "help": "maximum number of epochs (default: by the number of cells)"},
    "max_train_cells": {"type": int, "help": "maximum number of training cells (default: 100,000 above 150,000)"},
    "checkpoint": {
        "help": "folder to save to during training; after an interruption, the same command goes on from it"
    },
    "random_state": {"type": int, "default": 0, "help": "seed (default: %(default)s)"},
    "key_added": {"help": "key of embedding and model (default: X_ivis and ivis)"},
}
ADOPT: dict[str, dict[str, Any]] = {
    "basis": {"default": "X_umap", "help": "the map: a key of obsm (default: %(default)s)"},
    **{name: EMBED[name] for name in ("use_rep", "n_pcs", "layer", "mask_var")},
    "noise": {"type": float, "help": "noise in training, relative to the standard deviation of the representation"},
    **{name: EMBED[name] for name in ("epochs", "max_train_cells", "random_state")},
    "key_added": {"help": "key of the model (default: the name of the map without X_)"},
}
INGEST: dict[str, dict[str, Any]] = {
    "key": {"default": "ivis", "help": "method, or the key_added of its call (default: %(default)s)"},
    "use_rep": {"help": "key of obsm to read instead of the expression"},
    "layer": {"help": "layer with the expression (default: that of the reference)"},
    "correct": {"action": argparse.BooleanOptionalAction, "help": "correct batches of the query toward the reference"},
    "batch_key": {"help": "column of obs with the batches to correct"},
    "min_genes": {
        "type": float,
        "default": 0.5,
        "help": "minimum fraction of the genes of the model that the query must have (default: %(default)s)",
    },
    "prepare": {"choices": ("auto", "none", "counts", "log1p"), "help": "units of the query; auto recognizes them"},
    "novelty": {
        "action": argparse.BooleanOptionalAction,
        "help": "compare the cells with those of the reference, which takes most of the time (default: yes)",
    },
}


def parser() -> argparse.ArgumentParser:
    """The parser; `run` of its result is the function of the command, and `tool` the options of its tool by name."""
    top = argparse.ArgumentParser(prog="scivis", description="Embed single cells; the model is stored with the data.")
    top.add_argument("--version", action="version", version=f"scivis {__version__}", help="print the version and exit")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = _command(commands, "embed", "embed the cells of a file", embed, EMBED)
    command.add_argument("input", type=Path, help="h5ad file with the cells; it is never changed")
    command.add_argument("output", type=Path, help="h5ad file to write: the cells with embedding and model")

    command = _command(commands, "adopt", "learn a map of the cells of a file, to place new cells on it", adopt, ADOPT)
    command.add_argument("input", type=Path, help="h5ad file with the cells and their map; it is never changed")
    command.add_argument("output", type=Path, help="h5ad file to write: the cells with the model of their map")

    command = _command(commands, "ingest", "map the cells of a file to the embedding of a reference", ingest, INGEST)
    command.add_argument("query", type=Path, help="h5ad file with the new cells; it is never changed")
    command.add_argument("reference", type=Path, help="h5ad file with the model; it is never changed")
    command.add_argument("output", type=Path, help="h5ad file to write: the new cells with their coordinates")

    command = _command(commands, "demo", "embed the 700 blood cells that scanpy includes", demo, {}, plots=False)
    command.add_argument("--out", type=Path, default=Path("demo"), help="folder for pbmc.h5ad and pbmc.png")
    return top


def _command(
    commands: Any, name: str, text: str, run: Any, options: dict[str, dict[str, Any]], *, plots: bool = True
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    for option, settings in options.items():
        command.add_argument(_flag(option), **settings)
    if plots:
        command.add_argument("--figure", type=Path, help="file for a plot of the embedding (png, pdf, svg, …)")
        command.add_argument("--color", help="column of obs, or gene, that colors the plot of --figure")
    command.add_argument("--force", action="store_true", help="replace existing output files (never an input)")
    command.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    command.set_defaults(run=run, tool=tuple(options))
    return command


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
