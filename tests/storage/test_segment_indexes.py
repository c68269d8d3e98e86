"""A segment's two indexes answer alike from memory and from their files, and leave the memory when they may."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.files import OS_FILES
from ottla.storage.offset_index import CorruptIndex
from ottla.storage.segment_indexes import SegmentIndexes

BASE = 700
LOG_BYTES = 1 << 20


def filled(directory, count: int) -> SegmentIndexes:
    """Entries at offsets 705, 710 ..., positions 100, 200 ..., timestamps 1000, 1010 ..."""
    indexes = SegmentIndexes(str(directory / f"{BASE:020d}"), BASE)
    indexes.start()
    for number in range(1, count + 1):
        indexes.offsets.append(BASE + 5 * number, 100 * number)
        indexes.times.maybe_append(990 + 10 * number, BASE + 5 * number)
    return indexes


@given(
    count=st.integers(0, 40),
    zeros=st.integers(0, 30),
    offset=st.integers(BASE, BASE + 220),
    timestamp=st.integers(980, 1420),
)
def test_files_answer_as_memory_does(tmp_path_factory, count, zeros, offset, timestamp):
    indexes = filled(tmp_path_factory.getbasetemp(), count)

    def answers():
        return (
            indexes.position(offset, LOG_BYTES),
            indexes.last_position(LOG_BYTES),
            indexes.offset_before(timestamp),
            indexes.last_timestamp() if count else None,
        )

    in_memory = answers()
    indexes.save(OS_FILES)
    indexes.release()
    assert (indexes.offsets, indexes.times) == (None, None)
    assert answers() == in_memory
    stem = tmp_path_factory.getbasetemp() / f"{BASE:020d}"
    for suffix, entry_bytes in ((".index", 8), (".timeindex", 12)):
        with stem.with_suffix(suffix).open("ab") as file:
            file.write(bytes(entry_bytes * zeros))  # as Kafka leaves them after a crash
    assert answers() == in_memory


def test_what_is_not_saved_stays_in_memory(tmp_path):
    indexes = filled(tmp_path, 3)
    indexes.release()
    assert len(indexes.offsets) == 3
    writes = indexes.unsaved()
    assert [write.path[-10:] for write in writes] == ["0700.index", ".timeindex"]
    indexes.saved(writes)
    indexes.release()
    assert indexes.offsets is None


def test_an_empty_pair_has_no_entries(tmp_path):
    indexes = filled(tmp_path, 0)
    indexes.save(OS_FILES)
    indexes.release()
    assert indexes.position(BASE + 10, LOG_BYTES) == indexes.last_position(LOG_BYTES) == 0
    assert indexes.last_timestamp() == (-1, BASE)
    assert indexes.offset_before(5) == BASE


class TestCheck:
    def reopened(self, directory) -> SegmentIndexes:
        indexes = filled(directory, 3)
        indexes.save(OS_FILES)
        return SegmentIndexes(str(directory / f"{BASE:020d}"), BASE)

    def test_files_that_fit_pass_and_are_not_looked_at_again(self, tmp_path):
        indexes = self.reopened(tmp_path)
        indexes.check(301)
        (tmp_path / f"{BASE:020d}.index").write_bytes(b"\xff" * 16)
        indexes.check(301)

    @pytest.mark.parametrize("suffix", [".index", ".timeindex"])
    def test_a_file_that_is_not_there_is_said(self, tmp_path, suffix):
        indexes = self.reopened(tmp_path)
        (tmp_path / f"{BASE:020d}{suffix}").unlink()
        with pytest.raises(FileNotFoundError):
            indexes.check(301)

    def test_a_log_that_is_shorter_is_another_one(self, tmp_path):
        with pytest.raises(CorruptIndex, match="beyond a log of 300 bytes"):
            self.reopened(tmp_path).check(300)

    @pytest.mark.parametrize("content", [b"\xff" * 24, struct.pack(">IIII", 5, 100, 5, 200), bytes(7)])
    def test_rubbish_is_noticed(self, tmp_path, content):
        indexes = self.reopened(tmp_path)
        (tmp_path / f"{BASE:020d}.index").write_bytes(content)
        with pytest.raises(CorruptIndex):
            indexes.check(LOG_BYTES)
