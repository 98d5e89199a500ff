"""The quality card of several methods on one data set: which map is better at what.

python benchmarks/quality.py --data DIR --to docs/_static

Embeds with `methods.py`, each method in a process of its own, unless the embedding is there already: it is kept in
--cache. Writes the card into --out (`quality_<data>.csv` and `.md`), and its pictures into --to.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import machine
import numpy as np
from compare import embedding_path
from methods import METHODS
from pictures import save

import scivis

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

COMPARED = ("scivis", "scivis, detail", "UMAP", "PaCMAP", "openTSNE")


def embed(adata: AnnData, args: argparse.Namespace) -> None:
    """Add each method's map to `.obsm`."""
    cells = datasets.prepared(args.dataset, args)
    name = cells.stem
    for method in args.methods:
        path = embedding_path(args.cache, name, method, args.seed)
        if not path.exists():
            print(f"embedding by {method}", flush=True)
            machine.run_script("methods.py", method, cells, path, "--seed", args.seed)
        adata.obsm[f"X_{method}"] = np.load(path)


def markdown(table: pd.DataFrame) -> str:
    """A row per measure, a column per map, the best in bold."""
    labels = [f"{row.aspect} | {row.measure}{f', k = {row.k}' if row.k else ''}" for row in table.itertuples()]
    table = table.assign(label=labels)
    maps, lines = list(dict.fromkeys(table["basis"])), []
    for label in dict.fromkeys(labels):
        values = table[table["label"] == label].set_index("basis")["value"].reindex(maps)
        cells = [f"**{v:.3f}**" if v == values.max() else f"{v:.3f}" for v in values]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    names = " | ".join(name.removeprefix("X_") for name in maps)
    return "\n".join([f"| aspect | measure | {names} |", "| --- " * (len(maps) + 2) + "|", *lines])


def draw(adata: AnnData, name: str, to: Path) -> None:
    """The card, the distances, the trust and the maps themselves."""
    card = scivis.pl.quality(adata, show=False)
    save(card.figure, to / f"quality_{name}.png")
    save(scivis.pl.distances(adata, return_fig=True), to / f"distances_{name}.png")
    save(scivis.pl.trust(adata, ncols=3, return_fig=True), to / f"trust_{name}.png")
    save(scivis.pl.compare(adata, color="label", ncols=3, return_fig=True), to / f"maps_{name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the quality card of several methods.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the card")
    parser.add_argument("--to", type=Path, help="folder for the pictures; by default there are none")
    parser.add_argument("--dataset", choices=datasets.NAMES, default="huimm_cytof")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(COMPARED))
    parser.add_argument("--seed", type=int, default=0)
    datasets.add_options(parser)
    args = parser.parse_args()

    cells = datasets.read(datasets.prepared(args.dataset, args))
    adata = cells.adata()
    adata.obs["label"] = np.char.replace(cells.names, "_", " ")[cells.codes]
    embed(adata, args)
    start = time.perf_counter()
    scivis.tl.quality(adata, [f"X_{method}" for method in args.methods], use_rep="X_pca", labels="label")
    seconds = time.perf_counter() - start

    table = adata.uns["quality"]["table"]
    args.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.out / f"quality_{args.dataset}.csv", index=False)
    head = f"{machine.describe()}\n\n{args.dataset}, {len(cells.x):,} cells; {seconds:.0f} s for the card\n\n"
    advice = adata.uns["quality"]["advice"].values()
    sentences = [line for one in advice for line in ("", one["text"], *one["cautions"].splitlines())]
    text = "\n".join([head + markdown(table), *sentences])
    (args.out / f"quality_{args.dataset}.md").write_text(text + "\n")
    print(text)
    if args.to:
        draw(adata, args.dataset, args.to)


if __name__ == "__main__":
    main()
