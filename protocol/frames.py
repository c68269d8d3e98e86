"""Frames: a 32-bit length, then that many bytes. Splits what a connection received, whole or in any pieces.

A frame that arrived whole is handed out as a view of the bytes received, without a copy. Only a frame that is
still incomplete is kept, in a buffer that grows with what arrives and never with what was merely announced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH_BYTES = 4


class FrameTooLarge(ProtocolError):
    """A frame announced a length that is negative or above the limit."""


class FrameSplitter:
    """The receiving side of one connection, without the connection.

    `frames(received)` yields every frame that is complete; a view is valid until the next call. The part of a
    frame that is still missing can be received straight into `tail(...)`, then acknowledged with `filled(...)`.
    """

    __slots__ = ("_frame_bytes_max", "_partial", "_used", "_wanted")

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._partial = bytearray()
        self._used = 0
        self._wanted = 0

    @property
    def is_partial(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return self._used > 0

    def frames(self, received: memoryview) -> Iterator[memoryview]:
        """Yield the bodies of all frames that `received` completes; keep what is left over."""
        position = 0
        if self._used:
            position = self._complete_partial(received)
            if self._wanted == 0 or self._used < self._wanted:
                return
            yield self._take_partial()
        end = len(received)
        while end - position >= LENGTH_BYTES:
            length = self._length(received, position)
            body = position + LENGTH_BYTES
            if body + length > end:
                break
            position = body + length
            yield received[body:position]
        if position < end:
            self._keep(received[position:])

    def tail(self, size_hint: int) -> memoryview | None:
        """Room for the rest of a large frame that has begun, or None while its length is not known."""
        if self._wanted == 0:
            return None
        missing = self._wanted - self._used
        # Doubling bounds the room by what has arrived already; one copy a doubling is cheap beside the receiving.
        room = min(missing, max(self._used, size_hint))
        if len(self._partial) < self._used + room:
            self._partial.extend(bytes(self._used + room - len(self._partial)))
        return memoryview(self._partial)[self._used : self._used + room]

    def filled(self, count: int) -> memoryview | None:
        """Note that `count` bytes were received into the tail; return the frame when that completed it."""
        self._used += count
        return self._take_partial() if self._used == self._wanted else None

    def _length(self, buffer: memoryview | bytearray, position: int) -> int:
        length = int.from_bytes(buffer[position : position + LENGTH_BYTES], "big", signed=True)
        if not 0 <= length <= self._frame_bytes_max:
            raise FrameTooLarge(f"a frame of {length} bytes is not within 0 and {self._frame_bytes_max}")
        return length

    def _keep(self, rest: memoryview) -> None:
        self._partial[: self._used] = self._partial[: self._used]
        self._partial[self._used :] = rest
        self._used += len(rest)
        if self._wanted == 0 and self._used >= LENGTH_BYTES:
            self._wanted = LENGTH_BYTES + self._length(self._partial, 0)

    def _complete_partial(self, received: memoryview) -> int:
        """Move bytes of `received` into the partial frame; return how many."""
        taken = 0
        if self._wanted == 0:
            taken = min(LENGTH_BYTES - self._used, len(received))
            self._keep(received[:taken])
        if self._wanted:
            more = min(self._wanted - self._used, len(received) - taken)
            self._keep(received[taken : taken + more])
            taken += more
        return taken

    def _take_partial(self) -> memoryview:
        frame = memoryview(self._partial)[LENGTH_BYTES : self._wanted]
        # The frame keeps the old buffer alive for its reader; the next partial frame gets one of its own.
        self._partial = bytearray()
        self._used = self._wanted = 0
        return frame
