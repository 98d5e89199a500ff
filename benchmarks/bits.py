"""Same seed, same bits: digests of what the tools write, to compare two versions of scivis on one machine.

    python benchmarks/bits.py --write digests.json   # with the version before a change
    python benchmarks/bits.py --check digests.json   # with the version after it

Another processor or another version of TensorFlow may give other bits, so that nothing of this runs in CI.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scanpy as sc
from anndata import AnnData

import scivis


def blood() -> AnnData:
    """700 cells, of which every third has no label."""
    adata = sc.datasets.pbmc68k_reduced()
    adata.obs["some"] = adata.obs["bulk_labels"].astype(object).where(np.arange(700) % 3 > 0, "unknown")
    return adata


def many() -> AnnData:
    """12,000 cells × 20 made genes: above the number up to which anchors come alone."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12_000, 20)) + 4 * rng.normal(size=(12, 20))[np.arange(12_000) % 12]
    return AnnData(x.astype(np.float32))


def ingest(adata: AnnData, method: str, **settings: Any) -> AnnData:
    """Every seventh cell on the map of the others."""
    is_new = np.arange(adata.n_obs) % 7 == 0
    reference, new = adata[~is_new].copy(), adata[is_new].copy()
    getattr(scivis.tl, method)(reference, **settings)
    scivis.tl.ingest(new, reference, key=method)
    return new


CASES: dict[str, tuple[Callable[[], AnnData], Callable[[AnnData], Any]]] = {
    "ivis": (blood, lambda a: scivis.tl.ivis(a)),
    "ivis, searched": (blood, lambda a: scivis.tl.ivis(a, n_neighbors=10, random_state=3)),
    "ivis, labels": (blood, lambda a: scivis.tl.ivis(a, labels="some", unlabeled_category="unknown")),
    "ivis, values": (blood, lambda a: scivis.tl.ivis(a, labels="percent_mito", epochs=4)),
    "ivis, classic": (blood, lambda a: scivis.tl.ivis(a, preset="classic", n_neighbors=15, epochs=4)),
    "ivis, genes": (blood, lambda a: scivis.tl.ivis(a, use_rep="X", epochs=4)),
    "ivis, many": (many, lambda a: scivis.tl.ivis(a, epochs=2)),
    "ivis, sample": (many, lambda a: scivis.tl.ivis(a, max_train_cells=4_000, epochs=2)),
    "tsne": (blood, lambda a: scivis.tl.tsne(a)),
    "tsne, graph": (blood, lambda a: scivis.tl.tsne(a, affinity="uniform", neighbors_key="neighbors", n_iter=50)),
    "n2d": (blood, lambda a: scivis.tl.n2d(a, 5, architecture=[64], epochs=5)),
    "n2d, ivis": (blood, lambda a: scivis.tl.n2d(a, 5, architecture=[64], epochs=5, manifold="ivis")),
    "ingest, ivis": (blood, lambda a: ingest(a, "ivis", epochs=3)),
    "ingest, labels": (blood, lambda a: ingest(a, "ivis", epochs=3, labels="bulk_labels")),
    "ingest, tsne": (blood, lambda a: ingest(a, "tsne", n_iter=100)),
    "ingest, n2d": (blood, lambda a: ingest(a, "n2d", n_clusters=5, architecture=[64], epochs=5, manifold="ivis")),
    "quality": (blood, lambda a: scivis.tl.quality(a, "umap", labels="bulk_labels")),
}


def digests(adata: AnnData) -> dict[str, str]:
    """A digest of each array of `.obsm`, `.obs` and the models in `.uns`."""
    found: dict[str, str] = {}
    for group in ("obsm", "obs", "uns"):
        _collect(group, getattr(adata, group), found)
    return found


def _collect(path: str, value: Any, found: dict[str, str]) -> None:
    if isinstance(value, Mapping) or hasattr(value, "columns") or hasattr(value, "dim_names"):
        for key in value:
            _collect(f"{path}/{key}", value[key], found)
        return
    array = np.asarray(value)
    if array.dtype.kind in "fiub":
        found[path] = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path)
    what.add_argument("--check", type=Path)
    parser.add_argument("--only", help="cases whose name contains this")
    args = parser.parse_args()
    now = {}
    for name, (make, fit) in CASES.items():
        if args.only is None or args.only in name:
            adata = make()
            now[name] = digests(fit(adata) or adata)
    if args.write:
        args.write.write_text(json.dumps(now, indent=1, sort_keys=True))
        return 0
    before = json.loads(args.check.read_text())
    changed = [
        f"{name}: {path}"
        for name, found in now.items()
        for path, digest in before[name].items()
        if found.get(path) != digest
    ]
    print("\n".join(changed) or f"all {len(now)} cases have the bits of before")
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
