"""The time index against a plain list, and its file against Kafka's layout."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.files import OS_FILES
from ottla.storage.offset_index import CorruptIndex
from ottla.storage.time_index import TimeIndex

BASE = 5000

# What a segment offers: the largest timestamp so far and where it came, so both only grow.
offered = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 1000)), max_size=30).map(
    lambda steps: [
        (sum(s[0] for s in steps[: i + 1]), BASE + sum(s[1] for s in steps[: i + 1])) for i in range(len(steps))
    ]
)


def index_with(path, pairs) -> TimeIndex:
    index = TimeIndex(str(path), BASE)
    for timestamp, offset in pairs:
        index.maybe_append(timestamp, offset)
    return index


def kept_of(pairs) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for timestamp, offset in pairs:
        if not kept or timestamp > kept[-1][0]:
            kept.append((timestamp, offset))
    return kept


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{BASE:020d}.timeindex"


@given(pairs=offered, timestamp=st.integers(-1, 1600))
def test_only_newer_timestamps_enter_and_look_up_finds_the_last_that_is_not_newer(pairs, timestamp):
    index = index_with("unused", pairs)
    kept = kept_of(pairs)
    assert index.entries() == kept
    assert index.last_entry == (kept[-1] if kept else (-1, BASE))
    assert index.lookup(timestamp) == max((o for t, o in kept if t <= timestamp), default=BASE)


@given(pairs=offered, cut=st.integers(BASE - 1, BASE + 31_000), more=offered)
def test_what_is_saved_is_loaded_also_after_truncation_and_more_appends(tmp_path_factory, pairs, cut, more):
    path = tmp_path_factory.getbasetemp() / "a.timeindex"
    path.unlink(missing_ok=True)
    index = index_with(path, pairs)
    index.save(OS_FILES)
    index.truncate_to(cut)
    assert index.entries() == [(t, o) for t, o in kept_of(pairs) if o < cut]
    for timestamp, offset in more:
        index.maybe_append(timestamp, offset)
    index.save(OS_FILES)
    loaded = TimeIndex(str(path), BASE)
    loaded.load()
    assert loaded.entries() == index.entries()


def test_one_place_stays_free_for_the_closing_entry(path):
    index = index_with(path, [(1, BASE + 1), (2, BASE + 2)])
    assert index.entries_left(36) == 0
    assert index.entries_left(48) == 1


class TestFile:
    def test_an_entry_is_a_timestamp_and_a_relative_offset(self, path):
        index = index_with(path, [(1_700_000_000_000, BASE + 7)])
        index.save(OS_FILES)
        index.maybe_append(1_700_000_000_001, BASE + 256)
        index.save(OS_FILES)
        assert path.read_bytes() == struct.pack(">qiqi", 1_700_000_000_000, 7, 1_700_000_000_001, 256)

    def test_zeros_of_a_preallocated_file_are_trimmed_on_the_next_save(self, path):
        path.write_bytes(struct.pack(">qi", 99, 256) + bytes(1200))
        index = TimeIndex(str(path), BASE)
        index.load()
        assert index.entries() == [(99, BASE + 256)]
        index.save(OS_FILES)
        assert path.stat().st_size == 12

    def test_a_record_of_the_year_1970_is_no_padding(self, path):
        index = index_with(path, [(0, BASE)])
        index.save(OS_FILES)
        loaded = TimeIndex(str(path), BASE)
        loaded.load()
        assert loaded.last_entry == (0, BASE)

    def test_clearing_empties_it(self, path):
        index = index_with(path, [(1, BASE + 1)])
        index.save(OS_FILES)
        index.clear()
        index.save(OS_FILES)
        assert path.read_bytes() == b""

    @pytest.mark.parametrize(
        ("content", "named"),
        [(bytes(13), "13 bytes are not whole entries"), (struct.pack(">qi", 5, -1), "below the segment's base offset")],
    )
    def test_what_cannot_be_one_is_corrupt(self, path, content, named):
        path.write_bytes(content)
        with pytest.raises(CorruptIndex, match=named):
            TimeIndex(str(path), BASE).load()

    def test_timestamps_that_go_back_are_corrupt(self, path):
        path.write_bytes(struct.pack(">qiqi", 50, 5, 50, 6))
        index = TimeIndex(str(path), BASE)
        index.load()
        with pytest.raises(CorruptIndex, match="timestamps do not ascend"):
            index.check()

    def test_none_there_is_said(self, path):
        with pytest.raises(FileNotFoundError):
            TimeIndex(str(path), BASE).load()
