"""Data sets of the tutorials and of N2D's documentation, as AnnData objects.

Files are downloaded to `scanpy.settings.datasetdir` and verified by their checksums. A file that is there already is used
without a network if it is intact.
"""

from ._cells import cbmc, embryo, kang
from ._images import fashion, mnist, mnist_test
from ._signals import har, pendigits

__all__ = ["cbmc", "embryo", "fashion", "har", "kang", "mnist", "mnist_test", "pendigits"]
