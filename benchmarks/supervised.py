"""What the map learns from labels: scores on held-out rows.

python benchmarks/supervised.py --data DIR --out runs-supervised

MNIST (60,000 training and 10,000 test images, 50 principal components of pixels / 255, fitted on the training images):
a softmax classifier and a linear support-vector machine, then with half and with 95 % of the labels hidden. Pen digits
(7,494 and 3,498 rows): the end point of the pen from the fourteen numbers before it, and three properties of the digit at
once. The 700 blood cells of scanpy, five-fold, beside a logistic regression on the same principal components. Default
settings, `supervision_weight=0.9`. Writes `supervised.csv` and `supervised.md` into --out.
"""

from __future__ import annotations

import argparse
import csv
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import datasets
import machine
import numpy as np
import scanpy as sc
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    # What is learned by which settings, and how it is scored on the held-out rows, by name.
    Case = tuple[str, dict[str, Any], dict[str, Callable[[anndata.AnnData], float]]]

WEIGHT = 0.9
# Of the ten digits, as they are usually written.
PROPERTIES = {"even": (0, 2, 4, 6, 8), "has a loop": (0, 6, 8, 9), "at least five": (5, 6, 7, 8, 9)}


def split(x: NDArray[np.float32], adata: anndata.AnnData) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Reference and query, with their representation in `.obsm`."""
    train = (adata.obs["split"] == "train").to_numpy()
    label = adata.obs["label"].astype(str).to_numpy()
    parts = (anndata.AnnData(obsm={"X_pca": x[rows]}, obs={"label": label[rows]}) for rows in (train, ~train))
    reference, query = parts
    return reference, query


def mnist(path: Path) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Images as principal components of the training images."""
    adata = anndata.read_h5ad(path)
    pixels = datasets._dense(adata.X) / 255
    components = PCA(50, random_state=0).fit(pixels[(adata.obs["split"] == "train").to_numpy()])
    return split(components.transform(pixels).astype(np.float32), adata)


def hide(reference: anndata.AnnData, share: float) -> None:
    """Leave out this share of the labels, at random."""
    hidden = np.random.default_rng(0).random(reference.n_obs) < share
    reference.obs["shown"] = np.where(hidden, "hidden", reference.obs["label"])


def pendigits(path: Path) -> tuple[anndata.AnnData, anndata.AnnData]:
    """The first fourteen numbers as they are; the end point and the properties of the digit as targets."""
    adata = anndata.read_h5ad(path)
    values = datasets._dense(adata.X)
    reference, query = split(values[:, :14], adata)
    train = (adata.obs["split"] == "train").to_numpy()
    for part, rows in ((reference, train), (query, ~train)):
        digit = part.obs["label"].astype(int)
        part.obsm["end"] = values[rows, 14:]
        part.obsm["properties"] = np.column_stack([digit.isin(digits) for digits in PROPERTIES.values()]).astype(float)
    return reference, query


def accuracy(query: anndata.AnnData) -> float:
    """Share of held-out rows whose label is found."""
    return float((query.obs["ivis_label"].astype(str) == query.obs["label"].astype(str)).mean())


def some(part: anndata.AnnData, n: int | None) -> anndata.AnnData:
    """All rows, or `n` of them drawn at random."""
    if n is None or n >= part.n_obs:
        return part
    return part[np.random.default_rng(0).choice(part.n_obs, n, replace=False)].copy()


def cases(data: Path, cells: int | None) -> Iterator[tuple[anndata.AnnData, anndata.AnnData, Case]]:
    """Everything that is measured."""
    reference, query = (some(part, cells) for part in mnist(data / "mnist.h5ad"))
    scores = {"accuracy": accuracy}
    yield reference, query, ("MNIST, softmax", {"labels": "label"}, scores)
    yield (
        reference,
        query,
        ("MNIST, linear SVM", {"labels": "label", "supervision_metric": "categorical_hinge"}, scores),
    )
    for share in (0.5, 0.95):
        hide(reference, share)
        masked = {"labels": "shown", "unlabeled_category": "hidden"}
        yield reference, query, (f"MNIST, {share:.0%} of the labels hidden", masked, scores)
    reference, query = (some(part, cells) for part in pendigits(data / "pendigits.h5ad"))
    end = {"mean R² of x and y": lambda q: r2_score(q.obsm["end"], q.obsm["ivis_scores"])}
    yield reference, query, ("pen digits, end point", {"labels": "end", "supervision_metric": "mae"}, end)
    areas = {f"ROC area of “{name}”": partial(area, column=i) for i, name in enumerate(PROPERTIES)}
    yield reference, query, ("pen digits, three properties at once", {"labels": "properties"}, areas)


def area(query: anndata.AnnData, column: int) -> float:
    """Area under the ROC curve of one of the properties."""
    return float(roc_auc_score(query.obsm["properties"][:, column], query.obsm["ivis_scores"][:, column]))


def run(reference: anndata.AnnData, query: anndata.AnnData, case: Case) -> list[tuple[str, str, float, float]]:
    """What was learned, the name and the value of each score, seconds of the fit."""
    name, settings, scores = case
    start = time.perf_counter()
    scivis.tl.ivis(reference, use_rep="X_pca", supervision_weight=WEIGHT, **settings)
    seconds = time.perf_counter() - start
    scivis.tl.ingest(query, reference, use_rep="X_pca")
    return [(name, measure, score(query), seconds) for measure, score in scores.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description="Score what is learned from labels.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    datasets.add_options(parser)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.data is None:
        parser.error("Give the folder of the h5ad files as --data, or set SCIVIS_DATA.")
    head, rows = machine.describe(), []
    for measure in chain((partial(run, *case) for case in cases(Path(args.data), args.cells)), [blood]):
        rows += measure()
        print("{} – {}: {:.4f} ({:.0f} s)".format(*rows[-1]), flush=True)
        write(args.out, head, rows)  # after each: a run that is cut short has measured something


def blood() -> list[tuple[str, str, float, float]]:
    """Held-out cells of five folds: the same score for a logistic regression and for the map, means of the folds."""
    adata = sc.datasets.pbmc68k_reduced()
    adata.obs["label"] = adata.obs["bulk_labels"]
    found = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(adata.X, adata.obs["label"]):
        reference, query = adata[train].copy(), adata[test].copy()
        start = time.perf_counter()
        regression = LogisticRegression(max_iter=2000).fit(reference.obsm["X_pca"], reference.obs["label"])
        seconds = time.perf_counter() - start
        score = regression.score(query.obsm["X_pca"], query.obs["label"])
        [(_, _, *by_map)] = run(reference, query, ("", {"labels": "label"}, {"": accuracy}))
        found.append([(score, seconds), by_map])
    names = ("700 blood cells, logistic regression", "700 blood cells, softmax")
    return [(name, "accuracy", *map(float, row)) for name, row in zip(names, np.mean(found, axis=0), strict=True)]


def write(out: Path, head: str, rows: list[tuple[str, str, float, float]]) -> None:
    """The results so far."""
    with (out / "supervised.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("learned", "measure", "score", "seconds"), *rows])
    lines = ["| learned | score on held-out rows | | s |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {measure} | {score:.3f} | {seconds:.0f} |" for name, measure, score, seconds in rows]
    (out / "supervised.md").write_text(f"{head}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
