"""Data that are read when they are needed: files of images, or a class of your own.

Whatever has a ``shape`` and can be indexed by rows is data for :class:`scivis.Ivis`; :class:`IndexableDataset` is a
base class for that, :class:`ImageDataset` and :class:`FlattenedImageDataset` read image files.
"""

from ._dataset import IndexableDataset
from ._images import FlattenedImageDataset, ImageDataset

__all__ = ["FlattenedImageDataset", "ImageDataset", "IndexableDataset"]
