"""The lock of one log directory: a writer has it alone, readers share it.

Java locks `.lock` with fcntl, so a real Kafka and this broker see each other through that file; flock keeps out a
second broker of this process, which fcntl would let in. A file that is there is locked without a change to it. The
directory itself is locked too, which leaves nothing behind where there is no file; whoever begins to write makes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Final

LOCK_FILE: Final = ".lock"
_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)
_NOT_FOR_DIRECTORIES = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP)
"""What network file systems say of a lock on a directory."""


class LockHeld(Exception):
    """Another process uses the directory; the message names the file and the way out."""


class DirectoryLock:
    """Held from `__init__` until `release`. Raises LockHeld, OSError."""

    def __init__(self, directory: str, *, shared: bool = False) -> None:
        self._directory = directory
        self._path = os.path.join(directory, LOCK_FILE)
        self._descriptors: list[int] = []
        self._has_file = False
        try:
            self._lock_directory(shared=shared)
            self._lock_file(create=False, shared=shared)
        except BaseException:
            self.release()
            raise

    def make_file(self) -> None:
        """Hold `.lock` as well, also where it was not there: the directory is about to be written."""
        if not self._has_file:
            self._lock_file(create=True, shared=False)

    def share(self) -> None:
        """Let other readers in."""
        for descriptor in self._descriptors:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if self._has_file:
            fcntl.lockf(self._descriptors[-1], fcntl.LOCK_SH | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let go; once is enough, twice does no harm."""
        while self._descriptors:
            os.close(self._descriptors.pop())
        self._has_file = False

    def _lock_directory(self, *, shared: bool) -> None:
        self._descriptors.append(os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        try:
            self._take(self._descriptors[-1], shared=shared, with_fcntl=False)
        except OSError as error:
            if error.errno not in _NOT_FOR_DIRECTORIES:
                raise
            # The file is what counts; only readers of a directory without one do not see each other then.
            os.close(self._descriptors.pop())

    def _lock_file(self, *, create: bool, shared: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY if shared else os.O_RDWR
        try:
            self._descriptors.append(os.open(self._path, flags | os.O_CLOEXEC, 0o644))
        except FileNotFoundError:
            if create:
                raise
            return
        self._take(self._descriptors[-1], shared=shared, with_fcntl=True)
        self._has_file = True

    def _take(self, descriptor: int, *, shared: bool, with_fcntl: bool) -> None:
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        try:
            fcntl.flock(descriptor, kind)
            if with_fcntl:
                fcntl.lockf(descriptor, kind)
        except OSError as error:
            if error.errno not in _HELD_BY_ANOTHER:
                raise
            raise LockHeld(
                f"{self._path} is locked: another broker uses this directory; stop it or name another one"
            ) from error
