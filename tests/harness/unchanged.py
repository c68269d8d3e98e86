"""Whether a directory is what it was: names, bytes, modes and times of everything in it."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Entry(NamedTuple):
    mode: int
    size: int
    modified_ns: int
    digest: str


def photograph(directory: Path) -> dict[str, Entry]:
    """Everything below a directory, and the directory itself, by its relative path."""
    return {str(path.relative_to(directory)): _entry(path) for path in (directory, *sorted(directory.rglob("*")))}


def _entry(path: Path) -> Entry:
    status = path.lstat()
    is_file = stat.S_ISREG(status.st_mode)
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else ""
    return Entry(status.st_mode, status.st_size, status.st_mtime_ns, digest)
