"""Measures of how well an embedding preserves a representation of the same rows, computed from arrays.

In all modules `x` is the representation, rows × features, and `z` the embedding, rows × axes. Distances are Euclidean.
Expensive measures are computed on samples, which are arguments, so that all embeddings are compared on the same rows.
"""
