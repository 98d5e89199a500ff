"""Data sets of the tutorials and of the documents of N2D, as AnnData: downloaded once, checked, kept in scanpy's folder.

The folder is `scanpy.settings.datasetdir`. A file that is there already is used if its checksum is right, also without a
network.
"""

from ._cells import kang
from ._images import fashion, mnist, mnist_test
from ._signals import har, pendigits

__all__ = ["fashion", "har", "kang", "mnist", "mnist_test", "pendigits"]
