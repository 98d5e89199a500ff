"""How models are stored: as numbers, strings and arrays, never as code, and in files that are replaced as a whole.

- `schema`: conversion to and from plain values, and validation of what is read. Nothing here knows a method.
- `packed`: the parts of an entry that only scivis reads, as one array.
- `digest`: a digest of everything that an entry holds, compared whenever it is read.
- `kept`: models that were built from entries, kept for the next call.
- `files`: atomic replacement of files and folders.
- `hdf5`: HDF5 files with a checksum.
"""
