"""The stages of t-SNE, which run on arrays with openTSNE as their engine.

In the order in which the data meets them: `settings`, `affinities`, `initialization`, `optimization`; and `placement`,
which puts new rows on a finished map.
"""
