"""A digest at the head of a file, by which damage is noticed before anything else reads it.

The HDF5 library trusts what it reads: one wrong byte can end the process, or change a weight and nobody sees it. HDF5
leaves room at the head of a file, the user block; a name and a SHA-256 digest of all that follows go there. This is
about accidents: who alters a file on purpose can write a new digest, and everything read is checked by name as well.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# The smallest user block that HDF5 knows.
USER_BLOCK = 512
_NAME = b"scivis model\n"
_HEAD = len(_NAME) + hashlib.sha256().digest_size


def sign(path: Path) -> None:
    """Write the digest into the user block of a finished file."""
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(_head(content))


def is_undamaged(path: Path) -> bool:
    """Whether a file has its digest, and nothing in it has changed since."""
    content = path.read_bytes()
    return content[:_HEAD] == _head(content)


def _head(content: bytes) -> bytes:
    return _NAME + hashlib.sha256(content[_HEAD:]).digest()
