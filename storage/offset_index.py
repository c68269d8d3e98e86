"""`.index`: from an offset to a position in the segment's `.log`.

Eight bytes an entry, big-endian: the last offset of a batch relative to the segment's base offset, and the position
where that batch begins. One entry about every `index.interval.bytes`, so a reader scans a few headers at most.
Offsets ascend strictly. Entries are kept in two arrays that `bisect` searches natively, and written out when the
segment is flushed, rolled or closed: after a crash recovery reads the log from the recovery point and builds them
again, so an entry need not reach the file with its batch.
Kafka: `OffsetIndex`. Kafka preallocates the file with zeros; a file that was left so is trimmed when it is read.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from .files import open_or_create, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .files import Files

ENTRY_BYTES = 8
ENTRY = struct.Struct(">II")
MAX_RELATIVE_OFFSET = (1 << 31) - 1


class CorruptIndex(Exception):
    """An index file that cannot belong to its segment; it is rebuilt from the log."""


class IndexWrite(NamedTuple):
    """Bytes that an index file lacks."""

    path: str
    position: int
    content: bytes
    entries: int
    """How many entries the file holds afterwards."""


class IndexFile:
    """What both indexes share: entries in memory, of which the file holds the first so many."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved = -1  # entries that the file holds; -1: not known to be there

    def unsaved(self) -> IndexWrite | None:
        """What the file lacks; None when it lacks nothing."""
        raise NotImplementedError

    def save(self, files: Files) -> None:
        """Write the file when memory has entries that it lacks."""
        write = self.unsaved()
        if write is not None:
            write_entries(files, write)
            self.saved(write)

    def saved(self, write: IndexWrite) -> None:
        """Take note that the file holds this now."""
        self._saved = write.entries


class OffsetIndex(IndexFile):
    """The entries of one segment, in memory, and the file that they are saved to."""

    __slots__ = ("_offsets", "_positions", "base_offset", "path")

    def __init__(self, path: str, base_offset: int) -> None:
        super().__init__()
        self.path = path
        self.base_offset = base_offset
        self._offsets = array("I")
        self._positions = array("I")

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def last_offset(self) -> int:
        """The last indexed offset; the base offset when there is no entry."""
        return self.base_offset + (self._offsets[-1] if self._offsets else 0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        base_offset = self.base_offset
        return ((base_offset + o, p) for o, p in zip(self._offsets, self._positions, strict=True))

    def entries(self) -> list[tuple[int, int]]:
        """All entries as (offset, position)."""
        return list(self)

    def append(self, offset: int, position: int) -> None:
        """Add the batch at `position` whose last offset is `offset`.

        Raises CorruptIndex for an offset that does not ascend: it would hide batches from readers.
        """
        relative = offset - self.base_offset
        offsets = self._offsets
        if offsets and relative <= offsets[-1]:
            raise CorruptIndex(f"{self.path}: offset {offset} after {self.last_offset}")
        offsets.append(relative)
        self._positions.append(position)

    def lookup(self, offset: int) -> int:
        """A position at or before the batch that holds `offset`; 0 when nothing earlier is indexed."""
        found = bisect_right(self._offsets, offset - self.base_offset)
        return self._positions[found - 1] if found else 0

    def offset_at(self, position: int) -> int | None:
        """The offset of the first entry whose batch begins at `position` or behind it."""
        found = bisect_left(self._positions, position)
        return self.base_offset + self._offsets[found] if found < len(self._offsets) else None

    def entries_left(self, max_bytes: int) -> int:
        """How many entries Kafka's index file would still have room for; without any the segment must roll."""
        return max_bytes // ENTRY_BYTES - len(self._offsets)

    def truncate_to(self, offset: int) -> None:
        """Forget entries at or above `offset`."""
        keep = bisect_right(self._offsets, offset - self.base_offset - 1) if offset > self.base_offset else 0
        self._keep(keep)

    def clear(self) -> None:
        """Forget all entries, before a rebuild."""
        self._keep(0)

    def _keep(self, count: int) -> None:
        if count < len(self._offsets):
            del self._offsets[count:]
            del self._positions[count:]
            self._saved = -1

    def unsaved(self) -> IndexWrite | None:
        """What the file lacks; None when it lacks nothing."""
        if self._saved == len(self._offsets):
            return None
        start = max(self._saved, 0)
        interleaved = array("I", bytes(ENTRY_BYTES * (len(self._offsets) - start)))
        interleaved[0::2] = self._offsets[start:]
        interleaved[1::2] = self._positions[start:]
        if sys.byteorder == "little":
            interleaved.byteswap()
        return IndexWrite(self.path, start * ENTRY_BYTES, interleaved.tobytes(), len(self._offsets))

    def load(self) -> None:
        """Read the file, without the zeros that a preallocated one ends with.

        Raises FileNotFoundError, CorruptIndex.
        """
        with open(self.path, "rb") as file:
            content = file.read()
        if len(content) % ENTRY_BYTES:
            raise CorruptIndex(f"{self.path}: {len(content)} bytes are not whole entries of {ENTRY_BYTES}")
        count = -(-len(content.rstrip(b"\0")) // ENTRY_BYTES)
        interleaved = array("I", content[: count * ENTRY_BYTES])
        if sys.byteorder == "little":
            interleaved.byteswap()
        self._offsets, self._positions = interleaved[0::2], interleaved[1::2]
        self._saved = count if count * ENTRY_BYTES == len(content) else -1

    def check(self, log_bytes: int) -> None:
        """Raise CorruptIndex when the last entry cannot belong to a log of that size."""
        if not self._offsets:
            return
        if self._positions[-1] >= log_bytes or self._offsets[-1] > MAX_RELATIVE_OFFSET:
            raise CorruptIndex(
                f"{self.path}: its last entry (offset {self.last_offset}, position {self._positions[-1]}) "
                f"is beyond a log of {log_bytes} bytes"
            )
        if len(self._offsets) > 1 and self._offsets[-1] <= self._offsets[-2]:
            raise CorruptIndex(f"{self.path}: offsets do not ascend")


def write_entries(files: Files, write: IndexWrite) -> None:
    """Write index bytes at their position and cut what the file holds beyond them. Raises OSError."""
    descriptor = open_or_create(files, write.path)
    try:
        if write.content:
            write_whole(files, descriptor, write.content, write.position)
        files.ftruncate(descriptor, write.position + len(write.content))
    finally:
        os.close(descriptor)
