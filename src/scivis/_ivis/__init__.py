"""The method ivis: everything between the arguments of :func:`scivis.tl.ivis` and the stored model.

In the order of the data: `arguments` and `presets` give `settings`; `search` finds neighbors; `fit` trains a `model`;
`predict` applies it. `pack`, `save` and `checkpoint` store it; `place` restores it and places new cells. `estimator` is
:class:`scivis.Ivis`. Only `arguments` and `place` know AnnData.
"""
