"""Frames: a 32-bit length, then that many bytes. Splits what a connection received, whole or in any pieces.

A frame that arrived whole is handed out as a view of the bytes received, without a copy. Only a frame that is
still incomplete is kept, in a buffer that grows with what arrives and never with what was merely announced.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH_BYTES = 4

_TAIL_BYTES_MIN = 64 * 1024
_read_int = struct.Struct(">i").unpack_from


class FrameTooLargeError(ProtocolError):
    """A frame announced a length that is negative or above the limit."""


class FrameSplitter:
    """The receiving side of one connection, without the connection.

    `frames(received)` yields every frame that is complete; a view is valid until the next call. The rest of a
    large frame can be received straight into `tail()` instead, then acknowledged with `filled(count)`.
    """

    __slots__ = ("_frame_bytes_max", "_partial", "_used", "_wanted")

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._partial = bytearray()
        self._used = 0
        self._wanted = 0
        """Bytes of the partial frame with its length in front; 0 while the length is not known."""

    @property
    def missing_bytes(self) -> int:
        """How much of a frame that has begun is still to come; 0 when that is not known."""
        return self._wanted - self._used if self._wanted else 0

    def frames(self, received: memoryview) -> Iterator[memoryview]:
        """Yield the bodies of all frames that `received` completes; keep what is left over."""
        position = 0
        if self._used:
            position = self._continue_partial(received)
            if self._wanted == 0 or self._used < self._wanted:
                return
            yield self._take_partial()
        end = len(received)
        while end - position >= LENGTH_BYTES:
            body = position + LENGTH_BYTES
            next_position = body + self._read_length(received, position)
            if next_position > end:
                break
            position = next_position
            yield received[body:position]
        if position < end:
            self._keep(received[position:])

    def tail(self) -> memoryview:
        """Room for more of the frame that has begun: as much as is missing, at most as much as is there."""
        room = min(self._wanted - self._used, max(self._used, _TAIL_BYTES_MIN))
        self._grow_to(self._used + room)
        return memoryview(self._partial)[self._used : self._used + room]

    def filled(self, count: int) -> memoryview | None:
        """Note that `count` bytes were received into the tail; return the frame when that completed it."""
        self._used += count
        return self._take_partial() if self._used == self._wanted else None

    def _read_length(self, buffer: memoryview | bytearray, position: int) -> int:
        length: int = _read_int(buffer, position)[0]
        if not 0 <= length <= self._frame_bytes_max:
            raise FrameTooLargeError(f"a frame of {length} bytes is not within 0 and {self._frame_bytes_max}")
        return length

    def _continue_partial(self, received: memoryview) -> int:
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

    def _keep(self, piece: memoryview) -> None:
        used = self._used + len(piece)
        self._grow_to(used)
        self._partial[self._used : used] = piece
        self._used = used
        if self._wanted == 0 and used >= LENGTH_BYTES:
            self._wanted = LENGTH_BYTES + self._read_length(self._partial, 0)

    def _grow_to(self, size: int) -> None:
        """Make room by doubling; a new buffer, since a view of the old one may be about."""
        if len(self._partial) < size:
            grown = bytearray(max(size, min(2 * len(self._partial), self._wanted)))
            grown[: self._used] = memoryview(self._partial)[: self._used]
            self._partial = grown

    def _take_partial(self) -> memoryview:
        frame = memoryview(self._partial)[LENGTH_BYTES : self._wanted]
        # The frame keeps the old buffer alive for its reader; the next partial frame gets one of its own.
        self._partial = bytearray()
        self._used = self._wanted = 0
        return frame
