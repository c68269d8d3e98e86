"""A `.log` file from its first byte to its last: whole batches with a right CRC, and whatever lies between them.

A broken batch does not end the walk, as it would end a log when a broker recovers it: what follows is looked for, so
that a hole in the middle is told from a torn tail.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.errors import ProtocolError
from ...protocol.record_batch import CURRENT_MAGIC, HEADER_BYTES, LOG_OVERHEAD_BYTES, check_crc, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...protocol.record_batch import BatchHeader
    from ...storage.batch_reader import BatchReader

_SCAN_BYTES: Final = 1 << 20
_MAGIC_POSITION: Final = 16
_OFFSET_AND_LENGTH: Final = struct.Struct(">qi")
_OFFSETS_AHEAD_MAX: Final = 1 << 31


class WholeBatch(NamedTuple):
    """A batch that can be read; `data` is valid until the next step."""

    position: int
    data: memoryview
    header: BatchHeader


class Hole(NamedTuple):
    """Bytes that are no batch, up to the next one or to the end of the file."""

    position: int
    size: int
    problem: str
    is_zeros: bool


def walk(reader: BatchReader) -> Iterator[WholeBatch | Hole]:
    """Every batch and every hole of the file, in order; together they are all of its bytes. Raises OSError."""
    position, next_offset = 0, 0
    while position < reader.size:
        guess = position
        try:
            for at, data, header in reader.batches(position):
                guess = at + header.size_bytes
                check_crc(data, 0, header)
                yield WholeBatch(at, data, header)
                position, next_offset = guess, header.next_offset
        except ProtocolError as error:
            end = _next_batch(reader, position, guess, next_offset)
            yield Hole(position, end - position, str(error), _is_zeros(reader, position, end))
            position = end


def _next_batch(reader: BatchReader, position: int, guess: int, next_offset: int) -> int:
    """Where the next whole batch begins after a broken one at `position`; the end of the file when none does.

    `guess` is where it would be by the broken batch's own length, `position` when that makes no sense.
    """
    if guess > position and (guess == reader.size or _is_batch(reader, guess, next_offset)):
        return guess
    start = position + 1
    while start + HEADER_BYTES <= reader.size:
        chunk = reader.read(_SCAN_BYTES + HEADER_BYTES, start)
        at = chunk.find(CURRENT_MAGIC, _MAGIC_POSITION)
        while 0 <= at < _SCAN_BYTES + _MAGIC_POSITION:
            found = at - _MAGIC_POSITION
            if _may_be_batch(chunk, found, reader.size - start, next_offset) and _is_batch(
                reader, start + found, next_offset
            ):
                return start + found
            at = chunk.find(CURRENT_MAGIC, at + 1)
        start += _SCAN_BYTES
    return reader.size


def _may_be_batch(chunk: bytes, at: int, available: int, next_offset: int) -> bool:
    base_offset: int
    length: int
    base_offset, length = _OFFSET_AND_LENGTH.unpack_from(chunk, at)
    return (
        next_offset <= base_offset < next_offset + _OFFSETS_AHEAD_MAX
        and HEADER_BYTES - LOG_OVERHEAD_BYTES <= length <= available - at - LOG_OVERHEAD_BYTES
    )


def _is_batch(reader: BatchReader, position: int, next_offset: int) -> bool:
    try:
        header = read_header(reader.read(HEADER_BYTES, position))
        if header.base_offset < next_offset or position + header.size_bytes > reader.size:
            return False
        check_crc(reader.read(header.size_bytes, position), 0, header)
    except ProtocolError:
        return False
    return True


def _is_zeros(reader: BatchReader, position: int, end: int) -> bool:
    while position < end:
        chunk = reader.read(min(_SCAN_BYTES, end - position), position)
        if chunk.strip(b"\0"):
            return False
        position += len(chunk) or end
    return True
