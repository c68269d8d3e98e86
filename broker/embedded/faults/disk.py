"""The files of an embedded broker: they can be full, and they end with the broker that they belong to.

Implements `storage.files.Files` over another one. Threads share it; the two flags are set on the broker's loop.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....storage.files import Data, Files


class FaultyFiles:
    """The files of one life of a broker."""

    __slots__ = ("_files", "is_dead", "is_full")

    def __init__(self, files: Files) -> None:
        self._files = files
        self.is_full = False
        """Whether there is no room for anything."""
        self.is_dead = False
        """Whether the broker was killed: nothing that is left of it reaches the disk."""

    def of_next_life(self) -> FaultyFiles:
        """The same for the broker that comes after one that was killed."""
        return FaultyFiles(self._files)

    def open(self, path: str, flags: int, mode: int = 0o777, /) -> int:
        """Open a file; a new one needs room."""
        if self.is_full or self.is_dead:
            self._refuse(path, needs_room=bool(flags & os.O_CREAT) and not os.path.lexists(path))
        return self._files.open(path, flags, mode)

    def pwrite(self, descriptor: int, data: Data, position: int, /) -> int:
        """Write at a position, which needs room."""
        if self.is_full or self.is_dead:
            self._refuse(None, needs_room=True)
        return self._files.pwrite(descriptor, data, position)

    def ftruncate(self, descriptor: int, length: int, /) -> None:
        """Cut an open file."""
        if self.is_dead:
            self._refuse(None)
        self._files.ftruncate(descriptor, length)

    def fsync(self, descriptor: int, /) -> None:
        """Bring a file to the disk."""
        if self.is_dead:
            self._refuse(None)
        self._files.fsync(descriptor)

    def rename(self, source: str, target: str, /) -> None:
        """Move a file or a folder."""
        if self.is_dead:
            self._refuse(source)
        self._files.rename(source, target)

    def unlink(self, path: str, /) -> None:
        """Remove a file."""
        if self.is_dead:
            self._refuse(path)
        self._files.unlink(path)

    def mkdir(self, path: str, /) -> None:
        """Make a directory, which needs room."""
        if self.is_full or self.is_dead:
            self._refuse(path, needs_room=True)
        self._files.mkdir(path)

    def rmdir(self, path: str, /) -> None:
        """Remove a directory."""
        if self.is_dead:
            self._refuse(path)
        self._files.rmdir(path)

    def _refuse(self, path: str | None, *, needs_room: bool = False) -> None:
        """Raise OSError for what cannot be done now."""
        if self.is_dead:
            raise OSError(errno.EIO, "the broker was killed", path)
        if self.is_full and needs_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
