"""Where the data of a broker lies that nobody keeps: in memory where there is such a place and room in it.

Nothing is synced there, since nothing of it is to survive the process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Final

from ...storage.files import OsFiles

_MEMORY: Final = "/dev/shm"  # noqa: S108 - the directory made there has a name of its own and mode 0700
_FREE_BYTES_MIN: Final = 1 << 30


class UnsyncedFiles(OsFiles):
    """The operating system's files without waiting for the disk."""

    __slots__ = ()

    @staticmethod
    def fsync(descriptor: object, /) -> None:
        """Nothing is to outlast a loss of power."""


class EphemeralHome:
    """A new directory, until `remove`."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="ottla-", dir=_MEMORY if _has_room(_MEMORY) else None)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _has_room(path: str) -> bool:
    """Whether files can be made there, and enough of them: containers often have 64 MiB there."""
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    return os.access(path, os.W_OK | os.X_OK) and found.f_bavail * found.f_frsize >= _FREE_BYTES_MIN
