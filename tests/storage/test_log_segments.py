"""Segments in a row: which one holds an offset, and reading from one into the next."""

from __future__ import annotations

import pytest

from .log_home import LogHome, append, records_in


@pytest.fixture
def log(tmp_path):
    """Two records a segment, at 0, 2, 4 and 6."""
    log = LogHome(tmp_path / "t-0", segment_bytes=150).open()
    for value in range(7):
        append(log, b"%d" % value)
    assert log.segment_base_offsets == [0, 2, 4, 6]
    return log


@pytest.fixture
def segments(log):
    return log._segments


def bases(segments):
    return [segment.base_offset for segment in segments]


@pytest.mark.parametrize(("offset", "first"), [(-1, 0), (0, 0), (1, 0), (2, 2), (5, 4), (6, 6), (99, 6)])
def test_who_holds_an_offset(segments, offset, first):
    assert bases(segments.holding(offset)) == [base for base in (0, 2, 4, 6) if base >= first]


def test_taking_the_oldest_leaves_the_active_one(segments):
    assert bases(segments.take_first(2)) == [0, 2]
    assert (bases(segments), segments.first.base_offset, segments.active.base_offset) == ([4, 6], 4, 6)


@pytest.mark.parametrize(("offset", "kept"), [(7, [0, 2, 4, 6]), (6, [0, 2, 4, 6]), (5, [0, 2, 4]), (2, [0, 2])])
def test_taking_those_above_an_offset_makes_the_one_before_the_active_one(segments, offset, kept):
    taken = bases(segments.take_above(offset))
    assert taken == [base for base in (0, 2, 4, 6) if base not in kept]
    assert (bases(segments), segments.active.base_offset) == (kept, kept[-1])


def test_neighbours_are_replaced_by_one(segments):
    old = segments.at(2, 2)
    assert bases(old) == [2, 4]
    segments.replace(old, old[0])
    assert bases(segments) == [0, 2, 6]
    assert bases(segments.at(6, 3)) == [6]


def test_a_read_at_the_end_of_a_segment_goes_on_in_the_next(segments):
    assert segments.active.base_offset == 6
    segments.first.truncate_to(1)  # as compaction leaves it: the last offsets of a segment are gone
    data = segments.read(1, 1 << 20, up_to_offset=7, log_end_offset=7, min_one_batch=True)
    assert [record.offset for record in records_in(data)] == [2, 3]
    assert segments.locate(1) == (2, 0)
    assert [header.base_offset for _, header in segments.batches(0)] == [0, 2, 3, 4, 5, 6]


def test_a_read_ends_before_what_may_not_be_read(segments):
    data = segments.read(4, 1 << 20, up_to_offset=5, log_end_offset=7, min_one_batch=True)
    assert [record.offset for record in records_in(data)] == [4]
