"""Files from the network, each once and only whole."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_SECONDS = 60


@dataclass(frozen=True)
class Source:
    """Where a file is, and how to know it.

    Parameters
    ----------
    url
        The file.
    checksum
        `sha256:` and the hash of the content, or `git:` and the name that git gives the content, which stands in the
        tree of the commit that `url` names.
    """

    url: str
    checksum: str


def fetch(source: Source, name: str) -> Path:
    """The file, from scanpy's folder for data sets or from the network.

    Raises
    ------
    OSError
        If it is not there and cannot be downloaded.
    ValueError
        If what was downloaded is not what was expected.
    """
    from scanpy import logging as logg
    from scanpy import settings

    path = Path(settings.datasetdir) / "scivis" / name
    if path.is_file() and is_intact(path.read_bytes(), source.checksum):
        return path
    logg.info(f"downloading {source.url}")
    content = _download(source.url, path)
    if not is_intact(content, source.checksum):
        msg = f"{source.url} is not what was expected: its checksum is not {source.checksum}. Try again later."
        raise ValueError(msg)
    _write(content, path)
    return path


def _download(url: str, path: Path) -> bytes:
    try:
        with urlopen(url, timeout=_SECONDS) as response:
            return bytes(response.read())
    except (URLError, TimeoutError) as error:
        msg = f"{url} cannot be reached ({error}). Without a network, put the file at {path.resolve()}."
        raise OSError(msg) from error


def _write(content: bytes, path: Path) -> None:
    """A whole file under the name that counts, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        partial = Path(folder) / path.name
        partial.write_bytes(content)
        partial.replace(path)


def is_intact(content: bytes, checksum: str) -> bool:
    """Whether bytes have this checksum.

    Examples
    --------
    >>> is_intact(b"", "git:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")  # git's name of an empty file
    True
    """
    kind, _, expected = checksum.partition(":")
    if kind == "git":
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == expected
    return hashlib.sha256(content).hexdigest() == expected
