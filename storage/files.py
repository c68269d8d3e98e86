"""What storage asks of the file system, and the descriptors it keeps open.

Everything that changes the disk goes through `Files`, so that a test can tear a write, refuse a sync or fill the
disk. Reads do not: a reader cannot lose anything. `OsFiles` hands out the functions of `os` themselves, so the seam
costs one attribute look-up, which hot callers make once.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import Protocol

Data = bytes | bytearray | memoryview


class Files(Protocol):
    """The calls that change a disk. Each raises OSError as `os` does; `pwrite` may write less than it was given."""

    def open(self, path: str, flags: int, mode: int = ..., /) -> int:
        """Open what is to be created, written or synced; `os.close` closes it."""
        ...

    def pwrite(self, descriptor: int, data: Data, position: int, /) -> int:
        """Write at a position and return how many bytes were taken."""
        ...

    def ftruncate(self, descriptor: int, length: int, /) -> None:
        """Cut (or extend with zeros) an open file."""
        ...

    def fsync(self, descriptor: int, /) -> None:
        """Return when the file's bytes are on the disk."""
        ...

    def rename(self, source: str, target: str, /) -> None:
        """Move within one file system, replacing the target in one step."""
        ...

    def unlink(self, path: str, /) -> None:
        """Remove a file."""
        ...

    def mkdir(self, path: str, /) -> None:
        """Make a directory."""
        ...

    def rmdir(self, path: str, /) -> None:
        """Remove an empty directory."""
        ...


class OsFiles:
    """The operating system's own."""

    __slots__ = ()

    open = staticmethod(os.open)
    pwrite = staticmethod(os.pwrite)
    ftruncate = staticmethod(os.ftruncate)
    fsync = staticmethod(os.fsync)
    rename = staticmethod(os.replace)
    unlink = staticmethod(os.unlink)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)


OS_FILES = OsFiles()


def create_file(files: Files, path: str) -> int:
    """A descriptor of a new, empty file for writing; one that was there before is emptied. Raises OSError."""
    return files.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)


def open_or_create(files: Files, path: str) -> int:
    """A descriptor for writing into a file as it is, or a new one. Raises OSError."""
    return files.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def write_whole(files: Files, descriptor: int, data: Data, position: int) -> None:
    """Write all of `data` at `position`, going on after a short write.

    Raises OSError; what was written before it stays for the caller to cut off.
    """
    written = files.pwrite(descriptor, data, position)
    length = len(data)
    while written < length:
        written += files.pwrite(descriptor, memoryview(data)[written:], position + written)


def write_file(files: Files, path: str, data: bytes, *, sync: bool) -> None:
    """Put a small file in place in one step: a reader sees the old one or the new one, never a part.

    With `sync` it is on the disk before the name changes, so that losing power cannot leave an empty file.
    """
    temporary = path + ".tmp"
    descriptor = create_file(files, temporary)
    try:
        write_whole(files, descriptor, data, 0)
        if sync:
            files.fsync(descriptor)
    finally:
        os.close(descriptor)
    files.rename(temporary, path)
    if sync:
        sync_directory(files, os.path.dirname(path))


def sync_directory(files: Files, path: str) -> None:
    """Make creations and renames in a directory last."""
    descriptor = files.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        files.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(files: Files, path: str) -> None:
    """Make a directory with those above it that are missing, and bring their names to the disk. Raises OSError."""
    missing = []
    while not os.path.isdir(path) and path != os.path.dirname(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        try:
            files.mkdir(each)
        except FileExistsError:
            if not os.path.isdir(each):
                raise
        with contextlib.suppress(PermissionError):  # of a directory that is only passed through
            sync_directory(files, os.path.dirname(each))


def sync_if_present(files: Files, path: str) -> None:
    """Bring a file to the disk by name; one that is not there (any more) needs nothing. Raises OSError."""
    try:
        descriptor = files.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        files.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(files: Files, path: str) -> None:
    """Remove a directory with all that is in it. Raises OSError, with a part of it left."""
    with os.scandir(path) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                remove_tree(files, entry.path)
            else:
                files.unlink(entry.path)
    files.rmdir(path)


def remove_if_present(files: Files, path: str) -> bool:
    """Remove a file that may be gone already; says whether it was there."""
    try:
        files.unlink(path)
    except FileNotFoundError:
        return False
    return True


class OpenFile:
    """A file that is opened when it is first needed and may be closed behind its owner's back.

    Hot callers write `descriptor = file.descriptor if file.descriptor >= 0 else file.open()`, and set `used`.
    """

    __slots__ = ("_descriptors", "_files", "descriptor", "path", "used")

    def __init__(self, path: str, descriptors: Descriptors, files: Files) -> None:
        self._files = files
        self.path = path
        self.descriptor = -1
        self.used = False
        self._descriptors = descriptors

    def open(self) -> int:
        """The descriptor, opened for reading and writing. Raises OSError, also when the file is not there."""
        if self.descriptor < 0:
            self.descriptor = self._files.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            self._descriptors.register(self)
        self.used = True
        return self.descriptor

    def close(self) -> None:
        """Give the descriptor back; the next use opens it again."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
            self._descriptors.forget(self)


class Descriptors:
    """Keeps the number of open segment files bounded, whatever the number of partitions.

    A second-chance queue rather than an exact least-recently-used list: using a file costs its owner one flag, and
    the queue is only touched when a file is opened. Ten thousand partitions with one open segment each would be
    past the usual limit of a process, and their sockets need descriptors too.
    """

    __slots__ = ("_limit", "_open")

    def __init__(self, limit: int = 512) -> None:
        if limit < 1:
            raise ValueError(f"a limit of {limit} open files cannot hold any")
        self._limit = limit
        self._open: deque[OpenFile] = deque()

    @property
    def open_count(self) -> int:
        """How many files are open now."""
        return len(self._open)

    def register(self, file: OpenFile) -> None:
        """Take in a file that was just opened; may close others."""
        queue = self._open
        while len(queue) >= self._limit:
            oldest = queue[0]
            if oldest.used:
                oldest.used = False
                queue.rotate(-1)
            else:
                oldest.close()
        queue.append(file)

    def forget(self, file: OpenFile) -> None:
        """Let go of a file that was just closed: a second entry of one opened again would close it in its use."""
        self._open.remove(file)


def volume_bytes(path: str) -> tuple[int, int]:
    """The size of the volume that a path is on, and what of it may still be used. Raises OSError."""
    volume = os.statvfs(path)
    return volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize
