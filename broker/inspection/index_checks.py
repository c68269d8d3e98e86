"""The two indexes of a segment against the batches of its log, while the log is walked: nothing is read twice.

What must hold is what look-ups rely on. An offset index entry names the start of a batch and that batch's last offset
(Kafka before 4.0 let a follower write a later offset, which finds the batch as well). A time index entry names the
largest timestamp up to a batch, and that batch. Kafka: `DumpLogSegments`, `OffsetIndex`, `TimeIndex`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...storage.offset_index import ENTRY_BYTES as OFFSET_ENTRY_BYTES
from ...storage.time_index import ENTRY_BYTES as TIME_ENTRY_BYTES
from ...storage.time_index import NO_TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...protocol.record_batch import BatchHeader
    from ...storage.offset_index import OffsetIndex
    from ...storage.time_index import TimeIndex

    Report = Callable[[int, str], None]
    """Takes the position of an entry in its file, and what is wrong with it."""


class OffsetIndexCheck:
    """`see` is told of each batch in order, `pass_hole` of bytes that are none; `finish` of the end."""

    def __init__(self, index: OffsetIndex, report: Report) -> None:
        self._entries = _numbered(iter(index), OFFSET_ENTRY_BYTES)
        self._report = report
        self._last: tuple[int, int] | None = None
        self._entry = self._next()

    def _next(self) -> tuple[int, int, int] | None:
        """(position in the index, offset, position in the log) of the next entry; None at the end of all sense."""
        entry = next(self._entries, None)
        if entry is None:
            return None
        at, offset, position = entry
        if self._last is not None and (offset <= self._last[0] or position <= self._last[1]):
            self._report(at, f"entry (offset {offset}, position {position}) does not follow {self._last}")
            return None
        self._last = (offset, position)
        return at, offset, position

    def see(self, batch_position: int, header: BatchHeader) -> None:
        """A batch that is whole."""
        while self._entry is not None and self._entry[2] <= batch_position:
            at, offset, position = self._entry
            if position < batch_position:
                self._report(at, f"entry for offset {offset}: no batch begins at position {position} of the log")
            elif offset < header.base_offset:
                self._report(at, f"entry for offset {offset}: the batch there begins at offset {header.base_offset}")
            self._entry = self._next()

    def pass_hole(self, end: int) -> None:
        """Entries into a hole are not wrong by themselves."""
        while self._entry is not None and self._entry[2] < end:
            self._entry = self._next()

    def finish(self, log_bytes: int) -> None:
        """The log ends."""
        while self._entry is not None:
            at, offset, position = self._entry
            where = "is beyond the log's" if position >= log_bytes else "is inside the last batch of the log's"
            self._report(at, f"entry for offset {offset}: position {position} {where} {log_bytes} bytes")
            self._entry = self._next()


class TimeIndexCheck:
    """As the one of offsets."""

    def __init__(self, index: TimeIndex, report: Report) -> None:
        self._entries = _numbered(iter(index), TIME_ENTRY_BYTES)
        self._report = report
        self._last: tuple[int, int] | None = None
        self._newest_ms = NO_TIMESTAMP
        self._has_hole = False
        self._entry = self._next()

    def _next(self) -> tuple[int, int, int] | None:
        entry = next(self._entries, None)
        if entry is None:
            return None
        at, timestamp, offset = entry
        if self._last is not None and (timestamp <= self._last[0] or offset < self._last[1]):
            self._report(at, f"entry (time {timestamp}, offset {offset}) does not follow {self._last}")
            return None
        self._last = (timestamp, offset)
        return at, timestamp, offset

    def see(self, header: BatchHeader) -> None:
        """A batch that is whole."""
        self._newest_ms = max(self._newest_ms, header.max_timestamp)
        while self._entry is not None and self._entry[2] <= header.last_offset:
            at, timestamp, offset = self._entry
            if offset < header.base_offset and not self._has_hole:
                self._report(at, f"entry for time {timestamp}: no batch holds offset {offset}")
            elif timestamp != self._newest_ms and not self._has_hole:
                self._report(
                    at, f"entry for offset {offset}: says {timestamp}, the newest record so far is of {self._newest_ms}"
                )
            self._entry = self._next()

    def pass_hole(self) -> None:
        """What is newest is not known any more."""
        self._has_hole = True

    def finish(self) -> None:
        """The log ends."""
        while self._entry is not None:
            at, timestamp, offset = self._entry
            if not self._has_hole:
                self._report(at, f"entry for time {timestamp}: offset {offset} is beyond the end of the log")
            self._entry = self._next()


def _numbered(entries: Iterator[tuple[int, int]], entry_bytes: int) -> Iterator[tuple[int, int, int]]:
    for number, (first, second) in enumerate(entries):
        yield number * entry_bytes, first, second
