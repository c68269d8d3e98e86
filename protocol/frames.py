"""Frames: a 32-bit length, then that many bytes. Splits what a connection received, whole or in any pieces.

A frame that arrived whole is handed out as a view of the bytes received, without a copy. Only a frame that is
still incomplete is kept, in a buffer that grows with what arrives and never with what was merely announced. The rest of
a large one is received right behind what is there.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .errors import ProtocolError
from .receive_buffers import LARGE_FROM_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .receive_buffers import ReceiveBuffers

LENGTH_BYTES = 4

_read_int = struct.Struct(">i").unpack_from


class FrameTooLargeError(ProtocolError):
    """A frame announced a length that is negative or above the limit."""


class FrameSplitter:
    """The receiving side of one connection, without the connection.

    What comes next is received into `room()`; `frames(count)` then yields every frame that is complete. A view is
    valid until the next one is asked for, and nothing else may be received into the shared buffer meanwhile.
    """

    __slots__ = ("_buffers", "_frame_bytes_max", "_partial", "_room", "_shared", "_used", "_wanted")

    def __init__(self, frame_bytes_max: int, buffers: ReceiveBuffers) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._buffers = buffers
        self._shared = self._room = buffers.shared
        self._partial = bytearray()
        self._used = 0
        self._wanted = 0
        """Bytes of the partial frame with its length in front; 0 while the length is not known."""

    def room(self) -> memoryview:
        """Where to receive: behind what is there of a frame of which much is missing, else in the shared buffer."""
        return self._room if self._wanted - self._used < LARGE_FROM_BYTES else self._tail()

    def whole(self, count: int) -> memoryview | None:
        """The body of the frame, where the `count` bytes in `room()` are one and nothing else; 0.6 µs before `frames`.

        None where they are not, or it may not be so long: nothing was taken then.
        """
        if self._used or self._room is not self._shared or count < LENGTH_BYTES:
            return None
        length = _read_int(self._shared)[0]
        if length != count - LENGTH_BYTES or length > self._frame_bytes_max:
            return None
        return self._shared[LENGTH_BYTES:count]

    def frames(self, count: int) -> Iterator[memoryview]:
        """Yield the bodies of all frames that the `count` bytes in `room()` complete; keep what is left over."""
        if self._wanted - self._used >= LARGE_FROM_BYTES:
            self._used += count
            if self._used == self._wanted:
                yield from self._take_partial()
            return
        received = self._room[:count]
        self._room = self._shared
        position = 0
        if self._used:
            position = self._continue_partial(received)
            if self._wanted == 0 or self._used < self._wanted:
                return
            yield from self._take_partial()
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

    def drop(self) -> None:
        """Let go of a frame that will never be whole."""
        self._partial = bytearray()
        self._used = self._wanted = 0

    def _tail(self) -> memoryview:
        """Room for more of the frame that has begun: all that its buffer has, and about as much as is there already."""
        self._grow_to(min(self._wanted, max(2 * self._used, LARGE_FROM_BYTES)))
        return memoryview(self._partial)[self._used : self._wanted]

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
            grown = self._buffers.take(max(size, min(2 * len(self._partial), self._wanted)))
            grown[: self._used] = memoryview(self._partial)[: self._used]
            self._partial = grown

    def _take_partial(self) -> Iterator[memoryview]:
        """Yield the frame that is complete; its buffer is free for others when it was handled."""
        buffer, end = self._partial, self._wanted
        self._partial = bytearray()
        self._used = self._wanted = 0
        frame = memoryview(buffer)[LENGTH_BYTES:end]
        yield frame
        if end > LARGE_FROM_BYTES:
            # Who sent a large frame sends another: not more than its beginning shall be copied. That is 8% of 0.9 MB.
            self._room = self._buffers.beginning
        self._buffers.give_back(buffer, frame)
