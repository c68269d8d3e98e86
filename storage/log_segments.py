"""The segments of one log, oldest first, and reading across them.

They follow each other without overlap; the last one is the active one, which alone is written.
Kafka: `LogSegments`, `LocalLog`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol.record_batch import BatchHeader
    from .append import TimestampedOffset
    from .file_records import FileRecords
    from .segment import Segment
    from .txn_index import AbortedTxn

_BASE_OFFSET = attrgetter("base_offset")


class LogSegments:
    """At least one segment. Offsets are absolute, positions are bytes in a segment's file."""

    __slots__ = ("_segments", "active")

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments
        self.active = segments[-1]

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    @property
    def first(self) -> Segment:
        """The oldest one."""
        return self._segments[0]

    @property
    def size_bytes(self) -> int:
        """Of all batches."""
        return sum(segment.size for segment in self._segments)

    def to_list(self) -> list[Segment]:
        """All of them, as they are now."""
        return list(self._segments)

    def holding(self, offset: int) -> list[Segment]:
        """The segments from the one that holds `offset`, or would, on."""
        return self._segments[max(bisect_right(self._segments, offset, key=_BASE_OFFSET) - 1, 0) :]

    # ------------------------------------------------------------------ changes

    def add(self, segment: Segment) -> None:
        """Begin a new active one."""
        self._segments.append(segment)
        self.active = segment

    def remove(self, segment: Segment) -> None:
        """Take one out that is not the active one."""
        self._segments.remove(segment)

    def take_first(self, count: int) -> list[Segment]:
        """Take the oldest ones out."""
        taken = self._segments[:count]
        del self._segments[:count]
        return taken

    def take_above(self, offset: int) -> list[Segment]:
        """Take those out that begin above `offset`; the one before them becomes the active one, where there is one."""
        kept = bisect_right(self._segments, offset, key=_BASE_OFFSET)
        taken = self._segments[kept:]
        del self._segments[kept:]
        if self._segments:
            self.active = self._segments[-1]
        return taken

    def at(self, base_offset: int, count: int) -> list[Segment]:
        """So many, from the one that begins at `base_offset` on; fewer at the end."""
        first = bisect_left(self._segments, base_offset, key=_BASE_OFFSET)
        return self._segments[first : first + count]

    def replace(self, old: list[Segment], new: Segment) -> None:
        """Put one into the place of neighbours that are not the active one."""
        first = self._segments.index(old[0])
        self._segments[first : first + len(old)] = [new]

    # ------------------------------------------------------------------ reading

    def read(
        self, offset: int, max_bytes: int, *, up_to_offset: int, log_end_offset: int, min_one_batch: bool
    ) -> bytes | FileRecords:
        """As `Log.read`, for an offset that is in the log. Raises OSError."""
        segments, active = self._segments, self.active
        if offset >= active.base_offset:
            if up_to_offset >= log_end_offset:  # as for nearly every reader that waits at the end
                end = log_end_offset, active.size
                return active.read(offset, max_bytes, end, min_one_batch=min_one_batch) or b""
            index = len(segments) - 1
        else:
            index = max(bisect_right(segments, offset, key=_BASE_OFFSET) - 1, 0)
        while index < len(segments):
            segment = segments[index]
            index += 1
            segment_end = segments[index].base_offset if index < len(segments) else log_end_offset
            end = _readable_end(segment, segment_end, up_to_offset)
            data = segment.read(offset, max_bytes, end, min_one_batch=min_one_batch)
            if data is not None:
                return data
        return b""

    def locate(self, offset: int) -> tuple[int, int]:
        """As `Log.locate`, for an offset below the log end offset."""
        for segment in self.holding(offset):
            position = segment.position_of(offset)
            if position is not None:
                return segment.base_offset, position
        return self.active.base_offset, self.active.size

    def batches(self, start_offset: int) -> Iterator[tuple[memoryview, BatchHeader]]:
        """Each batch from the one that holds `start_offset` on; a view is valid until the next step."""
        for segment in self.holding(start_offset):
            position = segment.position_of(start_offset)
            if position is not None:
                for _, data, header in segment.batches(position):
                    yield data, header

    def offset_for_timestamp(self, timestamp_ms: int, start_offset: int) -> TimestampedOffset | None:
        """The first record at or after `start_offset` that is not older than `timestamp_ms`."""
        for segment in self._segments:
            if segment.max_timestamp >= timestamp_ms:
                found = segment.offset_for_timestamp(timestamp_ms, start_offset)
                if found is not None:
                    return found
        return None

    def offset_of_max_timestamp(self) -> TimestampedOffset | None:
        """The first record with the largest timestamp; None without records."""
        newest = max(self._segments, key=attrgetter("max_timestamp"))
        return newest.offset_of_max_timestamp()

    def bound_of(self, offset: int, size_bytes: int, log_end_offset: int) -> int:
        """An offset behind what `size_bytes` from the batch of `offset` hold, as the index tells it: seldom the next.

        Kafka: `LogSegment.fetchUpperBoundOffset`. Raises OSError, CorruptBatch.
        """
        segments = self.holding(offset)
        position = segments[0].position_of(offset) or 0
        bound = segments[0].offset_index.offset_at(position + size_bytes)
        if bound is not None:
            return bound
        return segments[1].base_offset if len(segments) > 1 else log_end_offset

    def aborted_transactions(self, fetch_offset: int, upper_bound_offset: int) -> list[AbortedTxn]:
        """The aborted transactions that overlap [fetch_offset, upper_bound_offset)."""
        found: list[AbortedTxn] = []
        for segment in self.holding(fetch_offset):
            entries, complete = segment.txn_index.collect(fetch_offset, upper_bound_offset)
            found += entries
            if complete:
                break
        return found


def _readable_end(segment: Segment, segment_end: int, up_to_offset: int) -> tuple[int, int]:
    if up_to_offset >= segment_end:
        return segment_end, segment.size
    position = segment.position_of(up_to_offset)
    return up_to_offset, segment.size if position is None else position
