"""How models are stored: as numbers, strings and arrays, never as code, and in files that are replaced as a whole.

- `schema`: conversion to and from plain values, and validation of what is read. Nothing here knows a method.
- `files`: atomic replacement of files and folders.
- `hdf5`: HDF5 files with a checksum.
"""
