"""Threads and processes: the same results as one after the other, or a sentence."""

from __future__ import annotations

import pytest

SETUP = """
    import os
    from concurrent.futures import ThreadPoolExecutor
    import anndata as ad, numpy as np
    import scivis

    def cells(n, seed):
        rng = np.random.default_rng(seed)
        return ad.AnnData((rng.normal(size=(n, 5)) + 4 * np.eye(3, 5)[np.arange(n) % 3]).astype(np.float32))

    def fit(seed):
        adata = cells(60, 0)
        scivis.tl.ivis(adata, n_neighbors=5, network=[4], epochs=1, random_state=seed)
        return adata

    def place(path):
        query = cells(4, 1)
        scivis.tl.ingest(query, ad.read_h5ad(path))
        return query.obsm["X_ivis"]
"""


def run(fresh_process, code: str) -> list[str]:
    """What code prints after the setup."""
    return fresh_process(SETUP + code).split()


@pytest.mark.slow
def test_two_fits_at_once_are_those_of_one_after_the_other(fresh_process):
    assert run(fresh_process, """
    one = [fit(seed).obsm["X_ivis"] for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        two = [adata.obsm["X_ivis"] for adata in pool.map(fit, (0, 1))]
    print(*map(np.array_equal, one, two))
    """) == ["True", "True"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')", reason="there is no fork")
def test_a_forked_process_is_told_how_to_start_another(fresh_process):
    """TensorFlow would wait without end for threads that a fork does not copy."""
    printed = run(fresh_process, """
    reference = fit(0)
    for call in (lambda: fit(0), lambda: scivis.tl.ingest(cells(4, 1), reference), lambda: scivis.get.model(reference)):
        print(flush=True)
        child = os.fork()
        if not child:
            try:
                call()
            except RuntimeError as error:
                os._exit(0 if "forked" in str(error) and "spawn" in str(error) else 1)
            os._exit(2)
        print(os.waitpid(child, 0)[1])
    """)  # fmt: skip
    assert printed == ["0", "0", "0"]


@pytest.mark.slow
def test_a_process_forked_before_scivis_computes_can_compute(fresh_process):
    printed = run(fresh_process, """
    child = os.fork()
    fit(0)
    os._exit(0) if not child else print(os.waitpid(child, 0)[1])
    """)  # fmt: skip
    assert printed == ["0"]


@pytest.mark.slow
def test_four_processes_of_loky_place_the_same_cells_on_one_reference(fresh_process, tmp_path):
    printed = run(fresh_process, f"""
    from joblib import Parallel, delayed

    path = {str(tmp_path / "reference.h5ad")!r}
    fit(0).write_h5ad(path)
    here = place(path)
    there = Parallel(n_jobs=4, backend="loky")(delayed(place)(path) for _ in range(4))
    print(*(np.array_equal(here, one) for one in there))
    """)  # fmt: skip
    assert printed == ["True"] * 4
