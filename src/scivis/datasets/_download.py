"""Files from the network. A file gets its name only when it is complete and has the right checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from scivis._store.files import replacing
from scivis._verbosity import verbose


class Source(NamedTuple):
    """The URL of a file, and its checksum: `sha256:` or `git:`, and the hash of its content.

    The `git` hash of a file is stored in the commit that a GitHub URL names.
    """

    url: str
    checksum: str


def fetch(source: Source, name: str) -> Path:
    """The file `name` in scanpy's folder for data sets, downloaded unless it is there and intact.

    `OSError` if it cannot be downloaded, `ValueError` if the downloaded file has another checksum.
    """
    from pooch import HTTPDownloader
    from scanpy import logging as logg
    from scanpy import settings

    path = Path(settings.datasetdir) / "scivis" / name
    if path.is_file() and is_intact(path.read_bytes(), source.checksum):
        return path
    logg.info(f"downloading {source.url}")
    with replacing(path) as unfinished:
        try:
            HTTPDownloader(progressbar=verbose(), chunk_size=2**16)(source.url, str(unfinished), None)
        except OSError as error:
            msg = f"{source.url} cannot be downloaded ({error}). Without a network, put the file at {path.resolve()}."
            raise OSError(msg) from error
        if not is_intact(unfinished.read_bytes(), source.checksum):
            msg = f"The file at {source.url} does not have the checksum {source.checksum}. Try again later."
            raise ValueError(msg)
    return path


def is_intact(content: bytes, checksum: str) -> bool:
    """Whether bytes have this checksum.

    Examples
    --------
    >>> is_intact(b"", "git:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    True
    """
    kind, _, expected = checksum.partition(":")
    if kind == "git":
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == expected
    return hashlib.sha256(content).hexdigest() == expected
