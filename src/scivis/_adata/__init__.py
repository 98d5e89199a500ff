"""Reading from AnnData objects and writing to them. No other package knows where anything is stored in one.

- `representation`, `graph`, `labels`, `maps`: what a tool reads.
- `model_input`, `expression`, `genes`: the input of a model, from a representation or from genes.
- `preparation`, `query`, `query_sample`, `query_steps`: units of a reference, and a query in these units.
- `keys`, `results`, `predictions`, `card`: what a tool writes.
- `files`: AnnData files of the command line.
"""
