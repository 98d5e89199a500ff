"""Quality cards that were altered."""

import numpy as np
import pandas as pd
import pytest

import scivis


@pytest.mark.parametrize(
    ("plot", "part", "altered"),
    [
        (scivis.pl.quality, "table", 3),
        (scivis.pl.quality, "table", pd.DataFrame({"basis": ["X"]})),
        (scivis.pl.quality, "table", "text"),
        (scivis.pl.distances, "distances", {}),
        (scivis.pl.distances, "distances", {"counts": np.ones(3, int)}),
        (scivis.pl.distances, "distances", {"edges": np.array(["a"] * 51)}),
    ],
    ids=["number", "column", "text", "empty", "shape", "letters"],
)
def test_an_altered_card_is_rejected(measured, plot, part, altered):
    card = measured.uns["quality"]
    if isinstance(altered, str):
        altered = card["table"].assign(value=altered)
    elif isinstance(altered, dict) and altered:
        altered = dict(card["distances"]) | altered
    measured.uns["quality"] = dict(card) | {part: altered}
    with pytest.raises(ValueError, match=r"The quality card in adata.uns\['quality'\] cannot be used"):
        plot(measured, show=False)
