"""Which segments go: the rules alone, on segments of which only size, base offset and largest timestamp matter."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.log_config import LogConfig
from ottla.storage.retention import breached_segments

COMPACT = frozenset({"compact"})
NOTHING = {"retention_ms": -1, "retention_bytes": -1}


class Part(NamedTuple):
    """What retention asks of a segment."""

    base_offset: int
    size: int
    timestamp: int

    def retention_timestamp(self) -> int:
        return self.timestamp


# Ten offsets and 100 bytes each; the newest records are of 10, 20, 30 and 40.
PARTS = [Part(10 * number, 100, 10 * (number + 1)) for number in range(4)]


def count(parts=PARTS, *, start=0, end=40, high_watermark=40, now_ms=0, **config) -> int:
    return breached_segments(
        parts,
        LogConfig(**{**NOTHING, **config}),
        log_start_offset=start,
        log_end_offset=end,
        high_watermark=high_watermark,
        now_ms=now_ms,
    )


@pytest.mark.parametrize(("now_ms", "removed"), [(0, 0), (15, 0), (16, 1), (25, 1), (26, 2), (45, 3), (46, 4)])
def test_by_time_older_than_the_limit(now_ms, removed):
    assert count(now_ms=now_ms, retention_ms=5) == removed


def test_by_time_it_stops_at_the_first_that_is_young():
    parts = [PARTS[0], PARTS[1]._replace(timestamp=1000), PARTS[2], PARTS[3]]
    assert count(parts, now_ms=500, retention_ms=5) == 1


@pytest.mark.parametrize(("limit", "removed"), [(400, 0), (301, 0), (300, 1), (250, 1), (200, 2), (1, 3), (0, 4)])
def test_by_size_what_stays_is_at_least_the_limit(limit, removed):
    assert count(retention_bytes=limit) == removed


@pytest.mark.parametrize(("start", "removed"), [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (35, 3), (40, 3)])
def test_by_start_offset_the_next_segment_must_begin_at_or_below_it(start, removed):
    assert count(start=start) == removed


def test_a_compacted_topic_loses_only_what_is_below_its_start_offset():
    assert count(now_ms=10**9, retention_ms=1, retention_bytes=0, cleanup_policy=COMPACT) == 0
    assert count(start=20, now_ms=10**9, retention_ms=1, retention_bytes=0, cleanup_policy=COMPACT) == 2
    assert count(now_ms=10**9, retention_ms=1, cleanup_policy=COMPACT | {"delete"}) == 4


@pytest.mark.parametrize(("high_watermark", "removed"), [(0, 0), (9, 0), (10, 1), (39, 3), (40, 4)])
def test_nothing_that_is_not_below_the_high_watermark_goes(high_watermark, removed):
    assert count(high_watermark=high_watermark, now_ms=10**9, retention_ms=1) == removed


def test_an_empty_active_segment_stays():
    parts = [*PARTS, Part(40, 0, -1)]
    assert count(parts, now_ms=10**9, retention_ms=1, retention_bytes=0) == 4
    assert count([Part(0, 0, -1)], end=0, high_watermark=0, now_ms=10**9, retention_ms=1, retention_bytes=0) == 0


@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=8),
    retention_bytes=st.integers(-1, 2000),
    retention_ms=st.integers(-1, 100),
    start=st.integers(0, 80),
    now_ms=st.integers(0, 200),
)
def test_the_widest_of_the_three_rules_decides(sizes, retention_bytes, retention_ms, start, now_ms):
    parts = [Part(10 * number, size, 10 * number) for number, size in enumerate(sizes)]
    end = 10 * len(parts)
    alone = [
        count(parts, start=min(start, end), end=end, high_watermark=end),
        count(parts, end=end, high_watermark=end, retention_bytes=retention_bytes),
        count(parts, end=end, high_watermark=end, retention_ms=retention_ms, now_ms=now_ms),
    ]
    config = {"retention_bytes": retention_bytes, "retention_ms": retention_ms}
    together = count(parts, start=min(start, end), end=end, high_watermark=end, now_ms=now_ms, **config)
    assert together == max(alone)
    if retention_bytes >= 0 and alone[1]:
        assert sum(sizes[alone[1] :]) >= retention_bytes
