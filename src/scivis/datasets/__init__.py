"""Data sets of the documents of N2D, as AnnData: downloaded once, checked, and kept in scanpy's folder for data sets.

The folder is `scanpy.settings.datasetdir`. A file that is there already is used if its checksum is right, also without a
network.
"""

from ._images import fashion, mnist, mnist_test
from ._signals import har, pendigits

__all__ = ["fashion", "har", "mnist", "mnist_test", "pendigits"]
