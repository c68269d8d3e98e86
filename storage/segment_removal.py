"""How whole segments leave a log: retention gives the oldest ones up, and a cleaned one takes the place of others.

The log is as it will be at once; the files follow in the background (`ReleasedFiles`).
Kafka: `UnifiedLog.deleteSegments`, `UnifiedLog.replaceSegments`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cleaned_segment import SegmentSource, swap_in
from .retention import breached_segments
from .segment import Segment

if TYPE_CHECKING:
    from .cleaned_segment import CleanedSegment
    from .environment import StorageEnvironment
    from .log import Log
    from .log_segments import LogSegments


def apply_retention(log: Log, segments: LogSegments, now_ms: int) -> int:
    """As `Log.apply_retention`. Raises OSError."""
    count = breached_segments(
        segments.to_list(),
        log.config,
        log_start_offset=log.log_start_offset,
        log_end_offset=log.log_end_offset,
        high_watermark=log.high_watermark,
        now_ms=now_ms,
    )
    if not count:
        return 0
    if count == len(segments):
        log.roll(now_ms)
    _release(log, segments, count, now_ms + log.config.file_delete_delay_ms)
    log.advance_log_start_offset(segments.first.base_offset)
    return count


def _release(log: Log, segments: LogSegments, count: int, due_ms: int) -> None:
    paths = []
    for segment in segments.take_first(count):
        log.size_bytes -= segment.size
        log.sync.segment_released(segment)
        segment.log.close()
        paths += segment.paths
        snapshot = log.snapshots.release(segment.base_offset)
        if snapshot is not None:
            paths.append(snapshot)
    log.released_files.release(paths, due_ms)


def replace_segments(
    log: Log,
    segments: LogSegments,
    cleaned: CleanedSegment,
    truncations: int,
    environment: StorageEnvironment,
    now_ms: int,
) -> bool:
    """As `Log.replace_segments`. Raises OSError."""
    files = environment.files
    old = segments.at(cleaned.base_offset, len(cleaned.sources))
    found = tuple(SegmentSource(segment.stem, segment.base_offset, segment.size) for segment in old)
    if found != cleaned.sources or truncations != log.truncations or segments.active in old:
        cleaned.discard(files)
        return False
    for segment in old:
        segment.log.close()
    released = [log.snapshots.release(segment.base_offset) for segment in old[1:]]
    deleted = swap_in(files, cleaned, [path for path in released if path is not None])
    log.released_files.add_synced(log.directory, deleted, now_ms + log.config.file_delete_delay_ms)
    segments.replace(old, _opened(log, cleaned, environment, now_ms))
    log.size_bytes += cleaned.size_bytes - sum(segment.size for segment in old)
    return True


def _opened(log: Log, cleaned: CleanedSegment, environment: StorageEnvironment, now_ms: int) -> Segment:
    return Segment(
        log.directory,
        cleaned.base_offset,
        index_interval_bytes=log.config.index_interval_bytes,
        files=environment.files,
        descriptors=environment.descriptors,
        created_ms=now_ms,
        size=cleaned.size_bytes,
    )
