"""Training with the settings of ivis beside ivis 2.0 itself: seconds per epoch, and the loss after each.

python benchmarks/classic.py --ivis PYTHON --data DIR --out runs-classic

PYTHON is the interpreter of another environment, which has ivis (`pip install ivis==2.0.11 "tensorflow==2.15.*"`, Python
3.11): ivis needs a TensorFlow before 2.16, scivis a later one. Both get 20,000 digits (MNIST, 50 principal components) and
the defaults of ivis: the network `szubert`, batches of 128, the loss `pn`. Each run is a process of its own, the two
packages in turn.

Two losses are given. The one that training reports is taken on triplets drawn by the package itself, with dropout. For
the other one, the map is scored after each epoch, without dropout, on the same 20,000 triplets for both: a digit, one of
its exact neighbors, another digit. Scoring is not in the seconds. Writes `classic.csv` and `classic.md` into --out.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import machine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGES = ("ivis", "scivis")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the training of ivis and of scivis.")
    parser.add_argument("--ivis", type=Path, help="the Python that has ivis")
    parser.add_argument("--out", type=Path, help="folder for results")
    parser.add_argument("--k", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--train", nargs=2, metavar=("PACKAGE", "FILE"), help=argparse.SUPPRESS)  # the process of a run
    datasets.add_options(parser)
    parser.set_defaults(cells=20_000)
    args = parser.parse_args()
    if args.train:
        print(json.dumps(train(*args.train, args.k, args.epochs)))
    elif args.ivis is None or args.out is None:
        parser.error("--ivis and --out are needed.")
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """Run both in turn and write what they measured."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = with_triplets(datasets.prepared("mnist", args), args.k, args.out)
    rows = []
    for repeat in range(args.repeats):
        for package in PACKAGES:
            python = {"python": str(args.ivis)} if package == "ivis" else {}
            found = machine.run_script(
                "classic.py", "--train", package, path, "--k", args.k, "--epochs", args.epochs, **python
            )
            rows += [
                (package, repeat, epoch + 1, *values)
                for epoch, values in enumerate(zip(found["seconds"], found["training"], found["scored"], strict=True))
            ]
            print(f"{package}: {sum(found['seconds']):.1f} s, loss {found['scored'][-1]:.4f}", flush=True)
    with (args.out / "classic.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("package", "repeat", "epoch", "seconds", "training_loss", "loss"), *rows])
    (args.out / "classic.md").write_text(f"{machine.describe()}\n\n{table(rows, args.epochs)}\n")


def with_triplets(path: Path, k: int, out: Path) -> Path:
    """A file of the rows and of the triplets on which maps are scored."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    x, rng = datasets.read(path).x, np.random.default_rng(0)
    # Both search with Annoy's angular distance, the chord between two rows of unit length.
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    nearest = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(unit).kneighbors(unit, return_distance=False)
    positives = nearest[np.arange(len(x)), rng.integers(1, k + 1, len(x))]
    np.savez(out / "classic.npz", x=x, triplets=np.stack([np.arange(len(x)), positives, rng.permutation(len(x))]))
    return out / "classic.npz"


def train(package: str, path: str, k: int, epochs: int) -> dict[str, Any]:
    """Seconds of each epoch and its two losses."""
    import numpy as np
    from tensorflow import keras  # noqa: TID251 (the Keras that ivis uses)

    with np.load(path) as stored:
        x, triplets = stored["x"], stored["triplets"]
    estimator = import_module(package).Ivis(k=k, epochs=epochs, n_epochs_without_progress=epochs, verbose=0)

    class Measure(keras.callbacks.Callback):
        """Noted in lists of the function's: estimators copy the callbacks that they are given."""

        def on_train_begin(self, logs: Any = None) -> None:
            began.append(time.perf_counter())  # not at an epoch's begin: scivis draws the triplets just before

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            ended.append(time.perf_counter())
            encoder = self.model.layers[3] if package == "ivis" else self.model.encoder
            scored.append(
                pn(np.concatenate([encoder(x[a : a + 4096], training=False) for a in range(0, len(x), 4096)]))
            )
            began.append(time.perf_counter())

    def pn(embedding: NDArray[np.floating]) -> float:
        anchor, positive, negative = embedding[triplets]
        near = np.linalg.norm(anchor - positive, axis=1)
        far = np.stack([np.linalg.norm(other - negative, axis=1) for other in (anchor, positive)])
        return float(np.maximum(near - far + 1, 0).mean())

    began: list[float] = []
    ended: list[float] = []
    scored: list[float] = []
    estimator.set_params(callbacks=[Measure()]).fit(x)
    seconds = [end - begin for begin, end in zip(began, ended, strict=False)]  # one more begins
    return {"seconds": seconds, "training": [float(loss) for loss in estimator.loss_history_], "scored": scored}


def table(rows: list[tuple[Any, ...]], epochs: int) -> str:
    """Median seconds of an epoch after the first, which compiles, and mean losses."""
    import numpy as np

    values = {package: np.array([row[1:] for row in rows if row[0] == package], float) for package in PACKAGES}
    shown = [epoch for epoch in (1, 2, 5, 10, 20, 50, 100) if epoch <= epochs]
    lines = [
        "| | s of the first epoch | s per epoch after | "
        + " | ".join(f"loss after {epoch} (while training)" for epoch in shown)
        + " |",
        "| --- " * (3 + len(shown)) + "|",
    ]
    for package, found in values.items():
        first = found[:, 1] == 1
        losses = (found[found[:, 1] == epoch][:, 3:].mean(axis=0) for epoch in shown)
        cells = [f"{loss:.4f} ({training:.4f})" for training, loss in losses]
        seconds = [f"{found[first, 2].mean():.2f}", f"{np.median(found[~first, 2]):.2f}"]
        lines.append(f"| {package} | {' | '.join([*seconds, *cells])} |")
    curves = {
        package: [found[found[:, 1] == epoch][:, 4].mean() for epoch in range(1, epochs + 1)]
        for package, found in values.items()
    }
    reached = next((i + 1 for i, loss in enumerate(curves["scivis"]) if loss <= curves["ivis"][-1]), None)
    lines += [
        "",
        f"scivis has the loss of ivis after {epochs} epochs after {reached or f'more than {epochs}'} (mean over runs).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
