"""Which segments a log may let go: the oldest ones, whole, and never beyond the high watermark.

Kafka: `UnifiedLog.deleteOldSegments`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .log_config import LogConfig
    from .segment import Segment


def breached_segments(
    segments: Sequence[Segment],
    config: LogConfig,
    *,
    log_start_offset: int,
    log_end_offset: int,
    high_watermark: int,
    now_ms: int,
) -> int:
    """How many segments, from the oldest on, retention removes now.

    By log start offset always, by size and time where the topic's policy deletes. The active segment counts as well,
    unless it is empty: the log then rolls first.
    """
    allowed = _below_high_watermark(segments, log_end_offset, high_watermark)
    count = _breached_by_start_offset(segments[:allowed], segments, log_start_offset)
    if config.deletes_old_segments:
        count = max(count, _breached_by_size(segments[:allowed], segments, config.retention_bytes))
        count = max(count, _breached_by_time(segments[:allowed], config.retention_ms, now_ms))
    return count


def _below_high_watermark(segments: Sequence[Segment], log_end_offset: int, high_watermark: int) -> int:
    ends = [segment.base_offset for segment in segments[1:]] + [log_end_offset]
    allowed = sum(1 for end in ends if end <= high_watermark)
    return allowed - 1 if allowed == len(segments) and not segments[-1].size else allowed


def _breached_by_start_offset(allowed: Sequence[Segment], segments: Sequence[Segment], log_start_offset: int) -> int:
    count = 0
    for following in segments[1 : len(allowed) + 1]:
        if following.base_offset > log_start_offset:
            break
        count += 1
    return count


def _breached_by_size(allowed: Sequence[Segment], segments: Sequence[Segment], retention_bytes: int) -> int:
    if retention_bytes < 0:
        return 0
    excess = sum(segment.size for segment in segments) - retention_bytes
    count = 0
    for segment in allowed:
        excess -= segment.size
        if excess < 0:
            break
        count += 1
    return count


def _breached_by_time(allowed: Sequence[Segment], retention_ms: int, now_ms: int) -> int:
    if retention_ms < 0:
        return 0
    count = 0
    for segment in allowed:
        if now_ms - segment.retention_timestamp() <= retention_ms:
            break
        count += 1
    return count
