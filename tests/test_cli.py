"""The command line: input and output files, figures, and errors of one line."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import h5py
import numpy as np
import pytest
import scanpy as sc
from matplotlib import pyplot as plt
from matplotlib.image import imread
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import scivis
from scivis import cli
from scivis._adata.files import open_backed, write_added
from scivis._store.unfinished import name_unfinished
from scivis.cli._options import parser
from scivis.cli._signals import raising_stopped

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture
def cells(adata, tmp_path):
    """A file of 200 cells with a PCA of all genes."""
    few = adata[:200].copy()
    sc.pp.pca(few, n_comps=10)
    few.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.fixture
def without_training(monkeypatch):
    """Makes `tl.ivis` write coordinates of zeros."""

    def ivis(adata, **_):
        adata.obsm["X_ivis"] = np.zeros((adata.n_obs, 2), np.float32)

    monkeypatch.setattr("scivis.tl.ivis", ivis)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def reference(cells, tmp_path):
    assert run("embed", cells, tmp_path / "reference.h5ad", "--epochs", 1, "--quiet") == 0
    return tmp_path / "reference.h5ad"


def is_plot(path: Path) -> bool:
    """Whether a file is a PNG that is neither tiny nor of a single color."""
    pixels = imread(path)
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and min(pixels.shape[:2]) > 300 and pixels.std() > 0.01


@pytest.mark.slow
@pytest.mark.usefixtures("bars_at_once")
def test_embed_writes_embedding_and_model(cells, tmp_path, capsys):
    assert run("embed", cells, tmp_path / "out.h5ad", "--epochs", 1) == 0
    adata = ad.read_h5ad(tmp_path / "out.h5ad")
    assert adata.obsm["X_ivis"].shape == (200, 2)
    assert_allclose(scivis.get.model(adata).transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5)
    printed = capsys.readouterr()
    assert printed.out == f"wrote {tmp_path / 'out.h5ad'}\n"
    assert "training" in printed.err
    assert not list(tmp_path.glob("*.png"))


def test_embed_passes_options_to_the_tool(cells, tmp_path):
    options = ["--use-rep", "X_umap", "--n-neighbors", 6, "--n-components", 3, "--key-added", "mine", "--epochs", 2]
    more = ["--random-state", 5, "--preset", "classic", "--quiet"]
    assert run("embed", cells, tmp_path / "out.h5ad", *options, *more) == 0
    adata = ad.read_h5ad(tmp_path / "out.h5ad")
    assert adata.obsm["mine"].shape == (200, 3)
    params = adata.uns["mine"]["params"]
    expected = {"use_rep": "X_umap", "n_components": 3, "epochs": 2, "random_state": 5, "preset": "classic"}
    assert {name: params[name] for name in expected} == expected
    assert params["neighbors"].startswith("6 per cell")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--layer", "counts"], {"layer": "counts"}),
        (["--neighbors-key", "five", "--n-pcs", "4"], {"neighbors_key": "five", "n_pcs": 4}),
    ],
)
def test_embed_passes_only_the_given_options(cells, tmp_path, monkeypatch, options, expected):
    given = {}
    monkeypatch.setattr("scivis.tl.ivis", lambda _, **arguments: given.update(arguments))
    assert run("embed", cells, tmp_path / "out.h5ad", *options) == 0
    assert given == expected | {"random_state": 0, "preset": "default"}


@pytest.mark.slow
def test_embed_saves_a_figure(cells, tmp_path, capsys):
    figure = tmp_path / "new folder" / "map.png"
    assert run("embed", cells, tmp_path / "out.h5ad", "--epochs", 1, "--color", "louvain", "--figure", figure) == 0
    assert is_plot(figure)
    assert f"wrote {figure}" in capsys.readouterr().out


def test_quiet_prints_neither_messages_nor_a_progress_bar(cells, tmp_path, capfd):
    assert run("embed", cells, tmp_path / "out.h5ad", "--epochs", 1, "--quiet") == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    assert printed.out in ("", f"wrote {tmp_path / 'out.h5ad'}\n")


@pytest.mark.usefixtures("without_training")
def test_the_output_may_be_in_a_new_folder(cells, tmp_path):
    assert run("embed", cells, tmp_path / "a" / "b" / "out.h5ad") == 0
    assert "X_ivis" in ad.read_h5ad(tmp_path / "a" / "b" / "out.h5ad").obsm


@pytest.mark.usefixtures("without_training")
def test_quiet_commands_print_nothing(cells, tmp_path, capfd):
    assert run("embed", cells, tmp_path / "out.h5ad", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_labels_are_learned(cells, tmp_path):
    options = ["--labels", "louvain", "--unlabeled-category", "3", "--epochs", 1, "--quiet"]
    assert run("embed", cells, tmp_path / "out.h5ad", *options) == 0
    adata = ad.read_h5ad(tmp_path / "out.h5ad")
    assert set(adata.obs["ivis_label"]) <= set(adata.obs["louvain"].cat.categories) - {"3"}
    assert adata.obsm["ivis_scores"].shape[0] == 200


def test_training_saves_to_a_checkpoint(cells, tmp_path):
    options = ["--checkpoint", tmp_path / "point", "--epochs", 1, "--quiet"]
    assert run("embed", cells, tmp_path / "out.h5ad", *options) == 0
    assert (tmp_path / "point" / "model" / "model.h5").exists()


def test_a_large_file_is_copied_with_a_progress_bar(cells, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("scivis._adata.files._LARGE", 1000)
    adata = open_backed(cells)
    adata.obsm["X_new"] = np.zeros((200, 2), np.float32)
    sc.settings.verbosity = 3
    write_added(adata, {}, cells, tmp_path / "out.h5ad")
    assert "copying: 100%" in capsys.readouterr().err
    assert ad.read_h5ad(tmp_path / "out.h5ad").obsm["X_new"].shape == (200, 2)


@pytest.mark.slow
def test_adopt_learns_the_map_of_a_file(cells, tmp_path, capsys):
    out, figure = tmp_path / "out.h5ad", tmp_path / "misfit.png"
    assert run("adopt", cells, out, "--basis", "X_umap", "--epochs", 1, "--figure", figure) == 0
    adopted = ad.read_h5ad(out)
    assert adopted.uns["umap"]["basis"] == "X_umap"
    assert "umap_misfit" in adopted.obs
    assert is_plot(figure)
    assert run("ingest", cells, out, tmp_path / "new.h5ad", "--key", "umap", "--quiet") == 0
    assert ad.read_h5ad(tmp_path / "new.h5ad").obsm["X_umap"].shape == (200, 2)


@pytest.mark.slow
def test_ingest_maps_the_cells_of_a_file(reference, cells, tmp_path, capsys):
    new = ad.read_h5ad(cells)[:30, ::-1].copy()
    new.write_h5ad(tmp_path / "new.h5ad")
    before = reference.read_bytes()
    figure = tmp_path / "placed.png"
    assert run("ingest", tmp_path / "new.h5ad", reference, tmp_path / "placed.h5ad", "--figure", figure) == 0
    placed, known = ad.read_h5ad(tmp_path / "placed.h5ad"), ad.read_h5ad(reference)
    assert_allclose(placed.obsm["X_ivis"], known.obsm["X_ivis"][:30], atol=1e-3)
    assert (placed.obs["ivis_novelty"] <= 1).mean() > 0.9
    assert is_plot(figure)
    assert reference.read_bytes() == before
    assert capsys.readouterr().out.splitlines() == [f"wrote {tmp_path / 'placed.h5ad'}", f"wrote {figure}"]


def test_ingest_passes_options_to_the_tool(cells, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr("scivis.tl.ingest", lambda _new, _ref, **arguments: given.update(arguments))
    options = ["--key", "mine", "--use-rep", "X_umap", "--layer", "counts", "--min-genes", "0.9"]
    options += ["--no-correct", "--batch-key", "donor", "--no-novelty"]
    assert run("ingest", cells, cells, tmp_path / "out.h5ad", *options) == 0
    correction = {"correct": False, "batch_key": "donor", "novelty": False}
    assert given == {"key": "mine", "use_rep": "X_umap", "layer": "counts", "min_genes": 0.9} | correction


def test_ingest_without_novelty_removes_that_of_an_earlier_call(reference, cells, tmp_path):
    """Also the verdict, which is in `.uns`, from the copy of the file."""
    first, again = tmp_path / "placed.h5ad", tmp_path / "again.h5ad"
    assert run("ingest", cells, reference, first, "--quiet") == 0
    assert run("ingest", first, reference, again, "--no-novelty", "--quiet") == 0
    before, after = ad.read_h5ad(first), ad.read_h5ad(again)
    assert set(before.obs) - set(after.obs) == {"ivis_novelty", "ivis_pvalue"}
    assert set(before.uns) - set(after.uns) == {"ivis_verdict"}
    assert_allclose(after.obsm["X_ivis"], before.obsm["X_ivis"])


def test_a_figure_of_novelty_needs_novelty(reference, cells, tmp_path, capsys):
    options = ["--no-novelty", "--figure", tmp_path / "map.png"]
    line = fails(capsys, "ingest", cells, reference, tmp_path / "placed.h5ad", "--quiet", *options)
    assert "leave out --no-novelty, or name a column with --color" in line
    assert not (tmp_path / "placed.h5ad").exists()


@pytest.mark.compiled
@pytest.mark.slow
def test_demo_embeds_700_cells(tmp_path, capsys):
    assert run("demo", "--out", tmp_path / "demo") == 0
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["pbmc.h5ad", "pbmc.png"]
    assert is_plot(tmp_path / "demo" / "pbmc.png")
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [f"wrote {tmp_path / 'demo' / name}" for name in ("pbmc.h5ad", "pbmc.png")]

    adata = ad.read_h5ad(tmp_path / "demo" / "pbmc.h5ad")
    assert_allclose(scivis.get.model(adata).transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5)
    history = adata.uns["ivis"]["history"]["loss"]
    assert history[-1] < history[0]
    in_embedding, in_plane = (
        cross_val_score(KNeighborsClassifier(10), coordinates, adata.obs["bulk_labels"], cv=3).mean()
        for coordinates in (adata.obsm["X_ivis"], adata.obsm["X_pca"][:, :2])
    )
    assert in_embedding > in_plane
    assert in_embedding > 0.7


# Errors


def fails(capsys, *arguments):
    """Run a command that must end with status 1 and one line on standard error, and return this line."""
    assert run(*arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("scivis: ")
    return line


def test_a_missing_file_is_an_error(tmp_path, capsys):
    line = fails(capsys, "embed", tmp_path / "none.h5ad", tmp_path / "out.h5ad")
    assert line == f"scivis: There is no file {tmp_path / 'none.h5ad'}."
    assert not (tmp_path / "out.h5ad").exists()


def test_a_file_of_another_format_is_an_error(tmp_path, capsys):
    (tmp_path / "text.h5ad").write_text("cells")
    line = fails(capsys, "embed", tmp_path / "text.h5ad", tmp_path / "out.h5ad")
    assert line.startswith(f"scivis: {tmp_path / 'text.h5ad'} cannot be read as an h5ad file")
    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["x"] = 1
    fails(capsys, "embed", tmp_path / "other.h5ad", tmp_path / "out.h5ad")


def test_zarr_stores_are_named(cells, tmp_path, capsys):
    (tmp_path / "cells.zarr").mkdir()
    line = fails(capsys, "embed", tmp_path / "cells.zarr", tmp_path / "out.h5ad")
    assert "cells.zarr is a zarr store, but the command line reads h5ad files" in line
    assert "Name a file that ends in .h5ad" in fails(capsys, "embed", cells, tmp_path / "out.zarr")


def test_a_file_without_expression_is_embedded_by_its_representation(cells, tmp_path):
    adata = ad.read_h5ad(cells)
    ad.AnnData(obs=adata.obs, var=adata.var, obsm=adata.obsm, varm=adata.varm).write_h5ad(tmp_path / "without.h5ad")
    assert run("embed", tmp_path / "without.h5ad", tmp_path / "out.h5ad", "--epochs", 1, "--quiet") == 0
    assert ad.read_h5ad(tmp_path / "out.h5ad").obsm["X_ivis"].shape == (200, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--use-rep", "X_scvi"], "Did not find 'X_scvi' in adata.obsm"),
        (["--layer", "counts"], "Did not find 'counts' in adata.layers"),
        (["--neighbors-key", "mine"], "neighbors_key='mine' is not in adata.uns"),
        (["--n-neighbors", "700"], "n_neighbors=700 must be an integer between 1 and 199"),
        (["--epochs", "0"], "epochs=0 must be"),
        (["--random-state", "-1"], "random_state=-1 must be"),
        (["--random-state", str(10**20)], f"random_state={10**20} must be"),
        (["--epochs", str(10**22)], f"epochs={10**22} must be an integer of at most"),
        (["--key-added", "a/b"], "key_added='a/b'"),
        (["--color", "shade", "--figure", "map.png"], "--color shade is neither a column of obs"),
        (["--color", "louvain"], "--color louvain is for a plot: name its file with --figure"),
        (["--labels", "shade"], "labels='shade' is in neither adata.obs nor adata.obsm"),
        (["--figure", "cells.h5ad"], "cells.h5ad is an input of this command"),
        (["--figure", "out.h5ad"], "out.h5ad cannot be both the output and the figure"),
        (["--figure", "map.xyz", "--epochs", "1"], "map.xyz"),
        (["--n-components", "1", "--figure", "map.png", "--epochs", "1"], "needs at least two dimensions"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options_are_errors_of_one_line_and_nothing_is_written(
    cells, tmp_path, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    line = fails(capsys, "embed", cells, tmp_path / "out.h5ad", "--quiet", *options)
    assert message in line
    assert any(name in line for name in (str(cells), "--", "cells.h5ad", "out.h5ad"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad"]


def test_a_reference_without_a_model_is_an_error(cells, tmp_path, capsys):
    line = fails(capsys, "ingest", cells, cells, tmp_path / "out.h5ad", "--quiet")
    assert line.startswith(f"scivis: {cells} on {cells}: ")
    assert "adata_ref.uns['ivis'] holds no model" in line


# Files that are in the way


@pytest.fixture
def no_tools(monkeypatch):
    for name in ("ivis", "ingest"):
        monkeypatch.setattr(f"scivis.tl.{name}", lambda *_, **__: pytest.fail("a tool ran"))


NEVER = "is an input of this command, and inputs are never replaced"


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("options", [[], ["--force"]], ids=" ".join)
def test_an_input_is_never_replaced(cells, tmp_path, capsys, options):
    content = cells.read_bytes()
    (tmp_path / "reference.h5ad").write_bytes(content)
    reference, link = tmp_path / "reference.h5ad", tmp_path / "link.h5ad"
    link.symlink_to(reference)
    (tmp_path / "hard.h5ad").hardlink_to(cells)
    assert NEVER in fails(capsys, "embed", cells, cells, *options)
    assert NEVER in fails(capsys, "embed", cells, tmp_path / "hard.h5ad", *options)
    for target in (cells, reference, link, tmp_path / "." / "reference.h5ad"):
        assert NEVER in fails(capsys, "ingest", cells, reference, target, *options)
    assert cells.read_bytes() == reference.read_bytes() == content


@pytest.mark.usefixtures("no_tools")
def test_an_existing_output_needs_force(cells, tmp_path, capsys):
    out, figure = tmp_path / "out.h5ad", tmp_path / "map.png"
    for path in (out, figure):
        path.write_bytes(b"last month's result")
    assert f"{out} exists. Choose another name, or replace it with --force" in fails(capsys, "embed", cells, out)
    assert f"{out} exists" in fails(capsys, "ingest", cells, cells, out)
    assert f"{figure} exists" in fails(capsys, "embed", cells, tmp_path / "new.h5ad", "--figure", figure)
    (tmp_path / "pbmc.png").write_bytes(b"mine")
    assert f"{tmp_path / 'pbmc.png'} exists" in fails(capsys, "demo", "--out", tmp_path)
    assert out.read_bytes() == figure.read_bytes() == b"last month's result"


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("options", [[], ["--force"]], ids=" ".join)
def test_an_output_that_cannot_be_written_is_an_error_before_training(cells, tmp_path, capsys, options, monkeypatch):
    assert f"{tmp_path} is a folder. Name a file in it" in fails(capsys, "embed", cells, tmp_path, *options)
    in_file = fails(capsys, "embed", cells, cells / "out.h5ad", *options)
    assert "out.h5ad' cannot be written" in in_file
    assert "it is a file" in in_file
    if Path("/proc").is_dir():
        assert "/proc takes no new files" in fails(capsys, "embed", cells, "/proc/out.h5ad", *options)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    line = fails(capsys, "embed", cells, tmp_path / "out.h5ad", *options)
    assert f"The output {tmp_path / 'out.h5ad'} needs up to" in line
    assert "has 1.0 kB left. Choose another disk." in line


@pytest.mark.usefixtures("without_training")
def test_a_failed_figure_leaves_no_empty_file(cells, tmp_path, capsys, monkeypatch):
    def fail(figure, path, **_):
        Path(path).write_bytes(b"")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("scivis.pl.ivis", lambda *_, **__: plt.figure().gca())
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    figure = tmp_path / "new" / "map.png"
    assert run("embed", cells, tmp_path / "out.h5ad", "--figure", figure) == 1
    assert f"{figure} cannot be written: its disk is full" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad", "out.h5ad"]


@pytest.mark.usefixtures("without_training")
def test_a_full_disk_is_an_error_and_the_same_command_succeeds_afterwards(cells, disk, capsys):
    folder = disk(4)
    (folder / "ballast").write_bytes(bytes(3_000_000))
    line = fails(capsys, "embed", cells, folder / "new" / "out.h5ad", "--quiet")
    assert "needs up to" in line or "its disk is full" in line
    assert [path.name for path in folder.iterdir()] == ["ballast"]
    (folder / "ballast").unlink()
    assert run("embed", cells, folder / "new" / "out.h5ad", "--quiet") == 0


@pytest.mark.usefixtures("without_training")
def test_a_disk_that_fills_up_while_results_are_written(cells, disk, capsys, monkeypatch):
    """HDF5 has its own text for it, and no file is left open or behind."""
    folder = disk(4)
    free = shutil.disk_usage(folder).free - cells.stat().st_size
    (folder / "ballast").write_bytes(bytes(free - 20_000))

    def ivis(adata, **_):
        adata.obsm["X_ivis"] = np.random.default_rng(0).normal(size=(adata.n_obs, 500))

    monkeypatch.setattr("scivis.tl.ivis", ivis)
    line = fails(capsys, "embed", cells, folder / "out.h5ad", "--quiet")
    assert "out.h5ad cannot be written: its disk is full" in line
    assert [path.name for path in folder.iterdir()] == ["ballast"]
    (folder / "ballast").unlink()
    assert run("embed", cells, folder / "out.h5ad", "--quiet") == 0
    assert ad.read_h5ad(folder / "out.h5ad").obsm["X_ivis"].shape == (200, 500)


@pytest.mark.slow
def test_a_process_goes_on_after_its_commands_filled_a_disk(cells, disk, fresh_process):
    """HDF5 must not write to the disk: it could not close its file, and would end the process at a later one."""
    folder = disk(4)
    printed = fresh_process(f"""
        import shutil
        from pathlib import Path
        import anndata as ad, numpy as np
        import scivis
        from scivis.cli import main

        def ivis(adata, **_):
            adata.obsm["X_ivis"] = np.zeros((adata.n_obs, 100), np.float32)
            adata.uns["ivis"] = {{f"{{i:03}}": np.ones((20, 30)) for i in range(20)}}

        scivis.tl.ivis = ivis
        cells, out = Path({str(cells)!r}), Path({str(folder)!r}) / "out.h5ad"
        free = shutil.disk_usage(out.parent).free - cells.stat().st_size
        for spare in range(0, 300_000, 30_000):
            ballast = out.with_name("ballast")
            ballast.write_bytes(bytes(free - spare))
            status = main(["embed", str(cells), str(out), "--quiet"])
            ballast.unlink()
            print(status, [path.name for path in out.parent.iterdir()])
            out.unlink(missing_ok=True)
        main(["embed", str(cells), str(out), "--quiet"])
        print(ad.read_h5ad(out).obsm["X_ivis"].shape)
    """)
    *full, last = printed.splitlines()
    assert full[0] == "1 []"
    assert full[-1] == "0 ['out.h5ad']"
    assert set(full) == {full[0], full[-1]}
    assert last == "(200, 100)"


@pytest.mark.parametrize(
    "arguments", [[], ["draw"], ["embed"], ["embed", "a", "b", "--n-pcs", "x"], ["ingest", "a", "b"]]
)
def test_an_invalid_command_shows_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    assert "usage: scivis" in capsys.readouterr().err


@pytest.mark.usefixtures("without_training")
@pytest.mark.parametrize("error", ["full", "SIGINT", "SIGTERM", "SIGHUP"])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(cells, tmp_path, capsys, monkeypatch, error):
    out = tmp_path / "out.h5ad"
    out.write_bytes(b"last month's result")
    names = sorted(path.name for path in tmp_path.iterdir())

    def write_half(file, *_):
        file.create_dataset("half", data=np.ones(1000))
        if error == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        os.kill(os.getpid(), getattr(signal, error))

    monkeypatch.setattr("anndata.io.write_elem", write_half)
    command = ["embed", cells, out, "--force", "--quiet"]
    if error == "full":
        assert f"{out} cannot be written: its disk is full" in fails(capsys, *command)
    else:
        number = getattr(signal, error)
        before = signal.signal(number, signal.SIG_DFL)
        try:
            assert run(*command) == 128 + number
            assert signal.getsignal(number) == signal.SIG_DFL
        finally:
            signal.signal(number, before)
        assert capsys.readouterr() == ("", f"scivis: stopped by {error}\n")
    assert out.read_bytes() == b"last month's result"
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_signal_that_is_ignored_stays_ignored():
    """As SIGHUP under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raising_stopped():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("without_training")
def test_an_existing_output_is_replaced_with_force(cells, tmp_path):
    out = tmp_path / "out.h5ad"
    out.write_bytes(b"last month's result")
    assert run("embed", cells, out, "--force") == 0
    assert_array_equal(ad.read_h5ad(out).obs_names, ad.read_h5ad(cells).obs_names)


@pytest.mark.usefixtures("without_training")
def test_expression_is_copied_without_being_read(cells, tmp_path, monkeypatch):
    """The output has all entries of the input, and `X` in the same compressed chunks."""
    adata = ad.read_h5ad(cells)
    adata.layers["counts"] = sparse.csr_matrix(adata.X)
    adata.write_h5ad(cells, compression="gzip")
    monkeypatch.setattr(h5py.Dataset, "__getitem__", without_x(h5py.Dataset.__getitem__))
    assert run("embed", cells, tmp_path / "out.h5ad") == 0
    monkeypatch.undo()
    with h5py.File(cells) as before, h5py.File(tmp_path / "out.h5ad") as after:
        assert before["X"].id.get_storage_size() == after["X"].id.get_storage_size()
        assert after["X"].compression == "gzip"
    written = ad.read_h5ad(tmp_path / "out.h5ad")
    assert_array_equal(written.X, adata.X)
    assert_array_equal(written.layers["counts"].toarray(), adata.layers["counts"].toarray())
    assert set(written.obsm) == {*adata.obsm, "X_ivis"}
    assert set(written.uns) == set(adata.uns)
    assert_array_equal(written.obsp["distances"].toarray(), adata.obsp["distances"].toarray())


def without_x(read):
    def checked(dataset, *arguments, **options):
        assert dataset.name != "/X", "the expression was read"
        return read(dataset, *arguments, **options)

    return checked


def test_a_truncated_file_is_an_error_and_is_not_changed(cells, tmp_path, capsys):
    content = cells.read_bytes()
    cells.write_bytes(content[: len(content) // 2])
    line = fails(capsys, "embed", cells, tmp_path / "out.h5ad", "--quiet")
    assert f"{cells} cannot be read as an h5ad file" in line
    assert "truncated file" in line
    assert cells.read_bytes() == content[: len(content) // 2]
    assert not (tmp_path / "out.h5ad").exists()


def test_every_option_has_a_help_text():
    [commands] = (action for action in parser()._actions if action.choices)
    options = [action for command in commands.choices.values() for action in command._actions]
    assert len(options) > 30
    assert [action.dest for action in options if not action.help] == []


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        run("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"scivis {scivis.__version__}\n"


# Processes


STOPPED = """
import os, sys, signal
import scivis, tensorflow as tf
from scivis import cli
from scivis._adata.files import open_backed, write_added
from scivis._store.unfinished import name_unfinished
from scivis.cli._options import parser
from scivis.cli._signals import raising_stopped
from scivis.nn._epochs import EpochSampler

begin = EpochSampler.on_epoch_begin

def stop_in_the_third_epoch(sampler, epoch, logs=None):
    if epoch == 2:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    begin(sampler, epoch, logs)

EpochSampler.on_epoch_begin = stop_in_the_third_epoch
tf.config.run_functions_eagerly(True)
signal.signal(getattr(signal, sys.argv[1]), signal.SIG_DFL)  # a shell ignores some for commands in the background
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stopped_process_ends_with_one_line_and_leaves_nothing(cells, tmp_path, name):
    command = ["embed", cells, tmp_path / "out.h5ad", "--epochs", "5", "--checkpoint", tmp_path / "point"]
    arguments = [sys.executable, "-c", STOPPED, name, *map(str, command)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 128 + getattr(signal, name)
    expected = f"scivis: stopped by {name}; the same command goes on from {tmp_path / 'point'}"
    assert done.stderr.splitlines()[-1] == expected
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad", "point"]


@pytest.mark.usefixtures("without_training")
def test_the_next_command_clears_what_a_killed_one_left(cells, tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    mine = name_unfinished(tmp_path / "out.h5ad")
    left = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{process.pid}-"))
    left.write_bytes(b"half")
    assert run("embed", cells, tmp_path / "out.h5ad", "--quiet") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad", "out.h5ad"]


def test_module_and_script_run_the_command_line():
    module = subprocess.run([sys.executable, "-m", "scivis", "--help"], capture_output=True, text=True, check=False)
    assert module.returncode == 0
    assert all(command in module.stdout for command in ("embed", "ingest", "demo"))
    (script,) = entry_points(group="console_scripts", name="scivis")
    assert script.load() is cli.main


@pytest.mark.slow
def test_an_error_sets_the_exit_status_of_the_process(tmp_path):
    command = [sys.executable, "-m", "scivis", "embed", str(tmp_path / "none.h5ad"), str(tmp_path / "out.h5ad")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("scivis: There is no file")
