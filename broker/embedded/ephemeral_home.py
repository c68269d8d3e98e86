"""Where the data of a broker lies that nobody keeps: in memory where there is such a place and room in it.

Nothing is synced there, since nothing of it is to survive the process. What a process leaves that was killed is in
nobody's way on a disk, but takes memory: the next broker removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from typing import Final

from ...storage.files import OsFiles
from ..clock import SystemClock

PREFIX: Final = "ottla-embedded-"

_MEMORY: Final = "/dev/shm"  # noqa: S108 - the directory made there has a name of its own and mode 0700
_FREE_BYTES_MIN: Final = 1 << 30
# A broker that begins makes its directory first and locks it then.
_LEFT_BEHIND_AFTER_MS: Final = 60_000


class UnsyncedFiles(OsFiles):
    """The operating system's files without waiting for the disk."""

    __slots__ = ()

    @staticmethod
    def fsync(descriptor: object, /) -> None:
        """Nothing is to outlast a loss of power."""


class EphemeralHome:
    """A new directory, until `remove`."""

    def __init__(self) -> None:
        in_memory = _has_room(_MEMORY)
        if in_memory:
            _remove_left_behind(_MEMORY)
        self.path = tempfile.mkdtemp(prefix=PREFIX, dir=_MEMORY if in_memory else None)

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


def _remove_left_behind(parent: str) -> None:
    for name in os.listdir(parent):
        if name.startswith(PREFIX):
            with contextlib.suppress(OSError):  # somebody else's, or gone meanwhile
                _remove_if_left_behind(os.path.join(parent, name))


def _remove_if_left_behind(path: str) -> None:
    """Remove a directory whose broker is gone. Raises OSError where it is not, since it holds the lock.

    A young one is not even locked for a moment: its broker may be about to do so, and would be refused.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        unchanged_ms = SystemClock().now_ms() - os.fstat(descriptor).st_mtime_ns // 1_000_000
        if unchanged_ms > _LEFT_BEHIND_AFTER_MS:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)
