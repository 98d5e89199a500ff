"""The method t-SNE: everything between the arguments of :func:`scivis.tl.tsne` and the stored model.

In the order of the data: `arguments` and `presets` give `settings`; `fit` runs the stages `affinities`, `initialization` and
`optimization`, each on arrays with openTSNE, and gives a `model`; `placement` places new rows on its embedding. `pack` stores
the model; `stored` reads its rows again; `place` restores it and places new cells. If a t-SNE arranges a `sample` of the cells,
the others are placed among them. Only `arguments`, `stored`, `sample` and `place` know AnnData.
"""
