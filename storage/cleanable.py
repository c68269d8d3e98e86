"""What of a log can be cleaned, which log comes first, and which segments become one.

A log has a clean part, which a cleaning has gone through, and a dirty part behind it. Of the dirty part the newest
stays as it is: what is not decided yet (behind the last stable offset), what is not on the disk yet, what is younger
than `min.compaction.lag.ms`, and always the active segment.
Kafka: `LogCleanerManager.cleanableOffsets`, `LogToClean`, `Cleaner.groupSegmentsBySize`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .log_config import MAX_LONG
from .offset_index import MAX_RELATIVE_OFFSET
from .segment import INDEX_SUFFIX, TIME_INDEX_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cleaned_segment import SegmentSource
    from .log import Log
    from .log_config import LogConfig
    from .segment import Segment

# The files of a group are renamed in one go on the log's thread, so there must not be too many of them.
_GROUP_SEGMENTS_MAX = 100


class LogToClean(NamedTuple):
    """A log, its dirty part that can be cleaned, and how dirty that makes it."""

    log: Log
    first_dirty_offset: int
    first_uncleanable_offset: int
    """Where a segment begins."""
    clean_bytes: int
    cleanable_bytes: int
    is_overdue: bool
    """Whether something waits for longer than max.compaction.lag.ms."""
    is_checkpoint_wrong: bool
    """Whether the checkpoint lies outside of the log."""

    @property
    def dirty_ratio(self) -> float:
        """The dirty bytes that can be cleaned, of all these and the clean ones; 0 for an empty log."""
        total_bytes = self.clean_bytes + self.cleanable_bytes
        return self.cleanable_bytes / total_bytes if total_bytes else 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is dirty enough for its configuration."""
        if self.is_overdue and self.cleanable_bytes:
            return True
        return self.dirty_ratio > self.log.config.min_cleanable_dirty_ratio


def log_to_clean(log: Log, checkpoint: int | None, now_ms: int) -> LogToClean:
    """Look at a log whose clean part ends at `checkpoint` (None: it was never cleaned). Raises OSError."""
    start_offset = log.log_start_offset
    is_wrong = checkpoint is not None and not start_offset <= checkpoint <= log.log_end_offset
    first_dirty = start_offset if checkpoint is None or is_wrong else checkpoint
    segments = log.segments
    dirty = _written_from(segments, first_dirty)
    limit = min(log.last_stable_offset, segments[-1].base_offset, log.sync.checkpoint)
    if log.config.min_compaction_lag_ms > 0:
        limit = min(limit, _first_too_young(dirty, now_ms - log.config.min_compaction_lag_ms))
    first_uncleanable = _segment_of(segments, max(first_dirty, limit)).base_offset
    return LogToClean(
        log,
        first_dirty,
        first_uncleanable,
        clean_bytes=sum(segment.size for segment in segments if segment.base_offset < first_dirty),
        cleanable_bytes=sum(segment.size for segment in dirty if segment.base_offset < first_uncleanable),
        is_overdue=_is_overdue(dirty, log.config, now_ms),
        is_checkpoint_wrong=is_wrong,
    )


def _segment_of(segments: Sequence[Segment], offset: int) -> Segment:
    return next((segment for segment in reversed(segments) if segment.base_offset <= offset), segments[0])


def _written_from(segments: Sequence[Segment], offset: int) -> list[Segment]:
    """The segments from the one that holds `offset` on, without the active one."""
    first = _segment_of(segments, offset)
    return [segment for segment in segments[:-1] if segment.base_offset >= first.base_offset]


def _first_too_young(dirty: Sequence[Segment], newest_ms: int) -> int:
    return next((segment.base_offset for segment in dirty if segment.max_timestamp > newest_ms), MAX_LONG)


def _is_overdue(dirty: Sequence[Segment], config: LogConfig, now_ms: int) -> bool:
    if config.max_compaction_lag_ms >= MAX_LONG:
        return False
    timestamps = (segment.first_timestamp for segment in dirty)
    oldest_ms = min((timestamp for timestamp in timestamps if timestamp > 0), default=MAX_LONG)
    return oldest_ms < now_ms - config.max_compaction_lag_ms


def group_segments(
    sources: Sequence[SegmentSource], config: LogConfig, first_uncleanable_offset: int
) -> list[tuple[SegmentSource, ...]]:
    """Neighbours that fit into one segment together, by bytes, by index entries and by offsets."""
    if not sources:
        return []
    groups: list[_Group] = []
    ends = [following.base_offset for following in sources[1:]] + [first_uncleanable_offset]
    for source, end_offset in zip(sources, ends, strict=True):
        index_bytes = _used_bytes(source.stem + INDEX_SUFFIX)
        time_index_bytes = _used_bytes(source.stem + TIME_INDEX_SUFFIX)
        part = _Group((source,), source.size_bytes, index_bytes, time_index_bytes)
        if groups and groups[-1].has_room_for(part, end_offset, config):
            groups[-1] = groups[-1].with_part(part)
        else:
            groups.append(part)
    return [group.sources for group in groups]


class _Group(NamedTuple):
    sources: tuple[SegmentSource, ...]
    log_bytes: int
    index_bytes: int
    time_index_bytes: int

    def has_room_for(self, part: _Group, end_offset: int, config: LogConfig) -> bool:
        span = end_offset - 1 - self.sources[0].base_offset
        return (
            len(self.sources) < _GROUP_SEGMENTS_MAX
            and self.log_bytes + part.log_bytes <= config.segment_bytes
            and self.index_bytes + part.index_bytes <= config.segment_index_bytes
            and self.time_index_bytes + part.time_index_bytes <= config.segment_index_bytes
            and (not part.log_bytes or span <= MAX_RELATIVE_OFFSET)
        )

    def with_part(self, part: _Group) -> _Group:
        return _Group(
            self.sources + part.sources,
            self.log_bytes + part.log_bytes,
            self.index_bytes + part.index_bytes,
            self.time_index_bytes + part.time_index_bytes,
        )


def _used_bytes(path: str) -> int:
    """The size of an index, without the zeros that a preallocated one ends with; 0 when it is not there."""
    try:
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            file.seek(max(size - 1, 0))
            if file.read(1) not in (b"\0", b""):
                return size
            file.seek(0)
            return len(file.read().rstrip(b"\0"))
    except FileNotFoundError:
        return 0
