"""A stretch of a `.log` file that a reader will get, without having been read: it goes from the file to the socket.

The file stays open as long as somebody holds the stretch, whatever becomes of its segment meanwhile: rolled, closed
for want of descriptors, compacted away or deleted. Bytes below the log's end never change, so what is sent later is
what was there when it was asked for. Kafka: `FileRecords.slice`.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Below this, reading costs less than what a stretch costs beside its bytes (a duplicate of the descriptor, its end).
STRETCH_FROM_BYTES = 64 * 1024


class FileRecords:
    """`len()` bytes of batches from a position of a file on; the first batch begins with `base_offset`."""

    __slots__ = ("_descriptor", "_size", "base_offset", "on_failure", "path", "position")

    def __init__(self, descriptor: int, path: str, position: int, size: int, base_offset: int) -> None:
        """Hold a duplicate of `descriptor`. Raises OSError."""
        self._descriptor = -1  # so that `__del__` finds it when the next line raises
        self._descriptor = os.dup(descriptor)
        self._size = size
        self.path = path
        self.position = position
        self.base_offset = base_offset
        self.on_failure: Callable[[OSError], object] | None = None
        """Wants to know that the file cannot be read."""

    def __len__(self) -> int:
        return self._size

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def send_to(self, socket: int, start: int, count: int) -> int:
        """Hand bytes from `start` (within the stretch) on to a socket that does not block; how many it took.

        Raises BlockingIOError when it takes none now, and OSError for what ails the socket or the file.
        """
        sent = os.sendfile(socket, self._descriptor, self.position + start, min(count, self._size - start))
        if not sent:
            raise OSError(errno.EIO, "the file is shorter than it was", self.path)
        return sent

    def failed(self, error: OSError) -> None:
        """Tell whoever wants to know that the file cannot be read."""
        if self.on_failure is not None:
            self.on_failure(error)

    def read(self) -> bytes:
        """The bytes themselves, for those who have no socket. Raises OSError."""
        return os.pread(self._descriptor, self._size, self.position)
