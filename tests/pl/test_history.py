"""`scivis.pl.history`."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_array_equal

import scivis


def test_the_loss_of_each_epoch_is_plotted(embedded):
    axes = scivis.pl.history(embedded, show=False)
    assert isinstance(axes, Axes)
    (line,) = axes.lines
    assert_array_equal(line.get_xdata(), [1, 2, 3])
    assert_array_equal(line.get_ydata(), [3.0, 2.0, 1.5])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "infonce loss")
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


@pytest.mark.parametrize("loss", [np.array([2.5]), 2.5, np.float64(2.5)], ids=["array", "number", "scalar"])
def test_a_single_epoch_is_a_visible_point(embedded, loss):
    embedded.uns["ivis"]["history"]["loss"] = loss
    (line,) = scivis.pl.history(embedded, show=False).lines
    assert_array_equal(line.get_ydata(), [2.5])
    assert line.get_marker() not in ("None", "", " ")


@pytest.mark.parametrize("key", ["ivis", "neighbors", "louvain_colors"])
def test_a_missing_history_is_an_error(adata, key):
    with pytest.raises(KeyError, match=rf"uns\['{key}'\] holds no training history. Run `scivis.tl.ivis"):
        scivis.pl.history(adata, key=key)
