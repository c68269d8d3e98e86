"""The memory that a broker's connections receive into: one buffer that they share, and others for large frames.

What has arrived is handled before anything else is received, so one buffer does for all connections. Only a large
frame that has begun gets a buffer of its own, and when it was handled the next large frame gets the same one: fresh
memory costs a page fault for every 4 KiB each time, which was half of what a batch of 0.9 MB took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE_FROM_BYTES: Final = 64 * 1024
"""A buffer that is smaller is not worth keeping."""

_BEGINNING_BYTES: Final = 4096
_SPARE_BYTES_MAX: Final = 8 * 1024 * 1024


class ReceiveBuffers:
    """What all connections of a server receive into.

    A spare buffer was filled by somebody once, so handing it to a frame that has merely begun allocates nothing.
    `on_spare` is called when there is a first spare one, so that somebody calls `drop_unused` now and then.
    """

    __slots__ = ("_is_used", "_on_spare", "_spare_bytes", "_spares", "beginning", "shared")

    def __init__(self, shared_bytes: int, on_spare: Callable[[], None] = lambda: None) -> None:
        self.shared = memoryview(bytearray(shared_bytes))
        self.beginning = self.shared[:_BEGINNING_BYTES]
        """A little of the shared buffer, for the beginning of a frame that is expected to be large."""
        self._spares: list[bytearray] = []
        self._spare_bytes = 0
        self._is_used = False
        self._on_spare = on_spare

    @property
    def spare_bytes(self) -> int:
        """How much memory is kept for large frames to come."""
        return self._spare_bytes

    def take(self, size_bytes: int) -> bytearray:
        """A buffer of at least that size, for one frame."""
        if size_bytes < LARGE_FROM_BYTES:
            return bytearray(size_bytes)
        if self._spares:
            # The last one that came back is in the processor's cache. One that is too small gives way to a larger one.
            spare = self._spares.pop()
            self._spare_bytes -= len(spare)
            if len(spare) >= size_bytes:
                return spare
        # Whole steps, or each frame that is a little larger than the one before would need a new buffer.
        return bytearray(-(-size_bytes // LARGE_FROM_BYTES) * LARGE_FROM_BYTES)

    def give_back(self, buffer: bytearray, frame: memoryview) -> None:
        """Keep a buffer for other frames, now that the one in it was handled; `frame` cannot be read any more.

        A buffer of which somebody still has a view is left to him.
        """
        if not LARGE_FROM_BYTES <= len(buffer) <= _SPARE_BYTES_MAX - self._spare_bytes:
            return
        try:
            frame.release()
            buffer.append(buffer.pop())  # Python refuses to change the size of what is viewed
        except BufferError:
            return
        self._is_used = True
        self._spares.append(buffer)
        self._spare_bytes += len(buffer)
        if len(self._spares) == 1:
            self._on_spare()

    def drop_unused(self) -> bool:
        """Free the spare buffers if none came back since the last call; whether there is anything left to drop."""
        if not self._is_used:
            self._spares.clear()
            self._spare_bytes = 0
        self._is_used = False
        return bool(self._spares)
