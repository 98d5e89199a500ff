"""Data that are read on demand: image files, or a class of your own.

:class:`scivis.Ivis` accepts any object that has a ``shape`` and can be indexed by rows. :class:`IndexableDataset` is a
base class for such objects; :class:`ImageDataset` and :class:`FlattenedImageDataset` read image files.
"""

from ._dataset import IndexableDataset
from ._images import FlattenedImageDataset, ImageDataset

__all__ = ["FlattenedImageDataset", "ImageDataset", "IndexableDataset"]
