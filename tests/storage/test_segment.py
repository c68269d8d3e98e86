"""One segment: positions of offsets, timestamps, truncation and its files, without a log around it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ottla.protocol.record_batch import CorruptBatch, read_header
from ottla.storage.file_records import FileRecords
from ottla.storage.files import OS_FILES, Descriptors, OsFiles
from ottla.storage.log_config import LogConfig
from ottla.storage.offset_index import CorruptIndex
from ottla.storage.released_files import mark_deleted
from ottla.storage.segment import Segment, file_stem

from .log_home import NOW_MS, producer_batch

BASE = 1000


def new_segment(tmp_path, *, files=OS_FILES, index_interval_bytes=150) -> Segment:
    return Segment.create(
        str(tmp_path),
        BASE,
        index_interval_bytes=index_interval_bytes,
        files=files,
        descriptors=Descriptors(),
        created_ms=NOW_MS,
    )


def reopened(segment: Segment, tmp_path) -> Segment:
    segment.close()
    return Segment(
        str(tmp_path),
        BASE,
        index_interval_bytes=150,
        files=OS_FILES,
        descriptors=Descriptors(),
        created_ms=NOW_MS,
        size=os.path.getsize(segment.log.path),
    )


def add(segment: Segment, offset: int, count: int = 1, *, timestamp: int = NOW_MS, value: bytes = bytes(20)) -> int:
    """Write and count one batch; its position."""
    batch = producer_batch(*[value] * count, base_offset=offset, timestamps=timestamp, partition_leader_epoch=0)
    position = segment.size
    segment.append(batch, offset, offset + count - 1, timestamp)
    return position


@pytest.fixture
def segment(tmp_path):
    """Ten batches of two, offsets 1000 to 1019; the timestamps rise by 10 and the largest is in the seventh."""
    segment = new_segment(tmp_path)
    for number in range(10):
        add(segment, BASE + 2 * number, 2, timestamp=NOW_MS + (500 if number == 6 else 10 * number))
    return segment


def test_files_are_named_by_the_base_offset_in_twenty_digits():
    assert file_stem("/d", 1234) == "/d/00000000000000001234"


class TestPositions:
    @pytest.mark.parametrize("again", [False, True])
    def test_each_offset_is_in_the_batch_at_its_position(self, segment, tmp_path, again):
        if again:
            segment = reopened(segment, tmp_path)
        content = (tmp_path / f"{BASE:020d}.log").read_bytes()
        for offset in range(BASE - 3, BASE + 20):
            header = read_header(content, segment.position_of(offset))
            assert header.base_offset == max(offset - offset % 2, BASE)
        assert segment.position_of(BASE + 20) is None

    def test_a_gap_leads_to_the_next_batch(self, tmp_path):
        segment = new_segment(tmp_path)
        add(segment, BASE + 5)
        later = add(segment, BASE + 50)
        assert segment.position_of(BASE) == 0
        assert [segment.position_of(BASE + offset) for offset in (6, 49, 50)] == [later] * 3

    def test_a_file_that_is_shorter_than_it_was_is_corrupt(self, segment):
        os.truncate(segment.log.path, segment.size // 10 * 8 - 1)
        with pytest.raises(CorruptBatch, match=f"instead of {segment.size}"):
            segment.position_of(BASE + 17)

    def test_bytes_that_are_no_batch_are_corrupt(self, segment):
        with open(segment.log.path, "r+b") as file:
            file.write(bytes(segment.size))
        with pytest.raises(CorruptBatch, match="no batch at position"):
            segment.position_of(BASE + 3)


class TestBatches:
    @pytest.mark.parametrize("size", [10, 600_000, 1_048_576 - 90, 1_500_000])
    def test_of_any_size_come_whole_and_in_order(self, tmp_path, size):
        segment = new_segment(tmp_path)
        for number in range(3):
            add(segment, BASE + number, value=bytes([number]) * size)
        seen = [(position, bytes(data), header) for position, data, header in segment.batches()]
        assert [header.base_offset for _, _, header in seen] == [BASE, BASE + 1, BASE + 2]
        assert b"".join(data for _, data, _ in seen) == (tmp_path / f"{BASE:020d}.log").read_bytes()
        assert [position for position, _, _ in seen] == [i * len(seen[0][1]) for i in range(3)]

    def test_a_torn_one_raises_after_the_whole_ones(self, segment):
        segment.size -= 1
        batches = segment.batches()
        assert [next(batches)[2].base_offset for _ in range(9)] == list(range(BASE, BASE + 18, 2))
        with pytest.raises(CorruptBatch):
            next(batches)


class TestLargeReads:
    """Many bytes are told where they lie, and are the same bytes."""

    LARGE = 100_000

    @pytest.fixture
    def filled(self, tmp_path):
        segment = new_segment(tmp_path)
        for offset in range(BASE, BASE + 4):
            add(segment, offset, value=bytes((offset % 256,)) * self.LARGE)
        return segment

    def read(self, segment, offset, max_bytes, *, min_one_batch=True):
        end = (BASE + 4, segment.size)
        return segment.read(offset, max_bytes, end, min_one_batch=min_one_batch)

    def test_they_are_a_stretch_of_the_file(self, filled):
        content = Path(filled.log.path).read_bytes()
        whole = self.read(filled, BASE, 1 << 20)
        assert isinstance(whole, FileRecords)
        assert whole.base_offset == BASE
        assert whole.read() == content
        part = self.read(filled, BASE + 1, 150_000)
        assert part.base_offset == BASE + 1
        start = content.index((BASE + 1).to_bytes(8, "big"))
        assert part.read() == content[start : start + 150_000]

    def test_a_first_batch_that_is_larger_comes_whole_or_not_at_all(self, filled):
        for max_bytes in (0, 5, 12, 61, 70_000):
            batch = self.read(filled, BASE + 2, max_bytes)
            assert self.LARGE < len(batch) < self.LARGE + 100
            assert batch.base_offset == BASE + 2
            assert self.read(filled, BASE + 2, max_bytes, min_one_batch=False) == b""

    def test_a_few_bytes_are_read(self, tmp_path):
        segment = new_segment(tmp_path)
        add(segment, BASE)
        add(segment, BASE + 1)
        end = (BASE + 2, segment.size)
        assert segment.read(BASE, 1 << 20, end, min_one_batch=True) == Path(segment.log.path).read_bytes()

    def test_without_a_free_descriptor_they_are_read(self, filled, monkeypatch):
        def none_left(descriptor: int) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(os, "dup", none_left)
        assert self.read(filled, BASE, 1 << 20) == Path(filled.log.path).read_bytes()

    def test_they_stay_readable_when_the_segment_is_closed_and_deleted(self, filled):
        content = Path(filled.log.path).read_bytes()
        stretch = self.read(filled, BASE, 1 << 20)
        filled.close()
        os.unlink(filled.log.path)
        assert stretch.read() == content


class TestIndexing:
    def test_an_entry_comes_after_each_interval(self, segment):
        length = segment.size // 10
        every = 150 // length + 1
        assert segment.offset_index.entries() == [
            (BASE + 2 * number + 1, number * length) for number in range(every, 10, every)
        ]

    def test_the_next_offset_is_read_from_the_last_entry_on(self, segment, tmp_path):
        again = reopened(segment, tmp_path)
        again.load_indexes()
        assert again.read_next_offset() == BASE + 20

    def test_what_was_read_counts_towards_the_next_interval(self, segment, tmp_path):
        again = reopened(segment, tmp_path)
        again.load_indexes()
        again.read_next_offset()
        before = len(again.offset_index)
        add(segment, BASE + 20, 2)
        add(again, BASE + 20, 2)
        assert (len(again.offset_index) > before) is (len(segment.offset_index) > before)

    def test_missing_and_strange_ones_are_said_to_whoever_asks_for_a_check(self, segment, tmp_path):
        again = reopened(segment, tmp_path)
        path = tmp_path / f"{BASE:020d}.index"
        path.write_bytes(b"\x7f" * 8)
        with pytest.raises(CorruptIndex):
            again.load_indexes()
        path.unlink()
        with pytest.raises(FileNotFoundError):
            again.load_indexes()


class TestMemory:
    def test_reading_a_segment_that_is_not_written_loads_no_index(self, segment, tmp_path):
        again = reopened(segment, tmp_path)
        for offset in range(BASE, BASE + 21):
            again.position_of(offset)
        assert again.offset_for_timestamp(NOW_MS + 30, BASE) == (NOW_MS + 30, BASE + 6, 0)
        assert again.offset_of_max_timestamp() == (NOW_MS + 500, BASE + 12, 0)
        assert (again.indexes.offsets, again.indexes.times) == (None, None)

    def test_writing_loads_both_and_retiring_lets_go_of_them(self, segment, tmp_path):
        again = reopened(segment, tmp_path)
        again.read_next_offset()
        for number in range(5):
            add(again, BASE + 20 + number)
        assert len(again.indexes.offsets) > len(segment.offset_index)
        entries = again.offset_index.entries()
        again.retire()
        assert (again.indexes.offsets, again.indexes.times) == (None, None)
        assert (
            read_header((tmp_path / f"{BASE:020d}.log").read_bytes(), again.position_of(BASE + 24)).base_offset
            == BASE + 24
        )
        assert again.offset_index.entries() == entries

    def test_indexes_that_cannot_be_read_are_built_again_and_let_go(self, segment, tmp_path, caplog):
        again = reopened(segment, tmp_path)
        (tmp_path / f"{BASE:020d}.index").unlink()
        assert again.position_of(BASE + 19) == segment.size // 10 * 9
        assert "both indexes are built again" in caplog.text
        assert again.indexes.offsets is None
        assert (tmp_path / f"{BASE:020d}.index").stat().st_size > 0


class TestTimestamps:
    @pytest.mark.parametrize("again", [False, True])
    def test_the_largest_and_the_first(self, segment, tmp_path, again):
        if again:
            segment = reopened(segment, tmp_path)
        assert (segment.max_timestamp, segment.first_timestamp) == (NOW_MS + 500, NOW_MS)
        assert segment.retention_timestamp() == NOW_MS + 500
        assert segment.offset_of_max_timestamp() == (NOW_MS + 500, BASE + 12, 0)

    def test_without_any_retention_goes_by_the_file(self, tmp_path):
        segment = new_segment(tmp_path)
        assert segment.first_timestamp == -1
        add(segment, BASE, timestamp=-1)
        os.utime(segment.log.path, ns=(0, 5_000_000))
        assert (segment.max_timestamp, segment.retention_timestamp()) == (-1, 5)

    @pytest.mark.parametrize("again", [False, True])
    def test_a_look_up_begins_at_the_start_offset(self, segment, tmp_path, again):
        if again:
            segment = reopened(segment, tmp_path)
        assert segment.offset_for_timestamp(NOW_MS + 30, BASE) == (NOW_MS + 30, BASE + 6, 0)
        assert segment.offset_for_timestamp(NOW_MS + 30, BASE + 7) == (NOW_MS + 30, BASE + 7, 0)
        assert segment.offset_for_timestamp(NOW_MS + 61, BASE + 14) == (NOW_MS + 70, BASE + 14, 0)
        assert segment.offset_for_timestamp(NOW_MS + 91, BASE + 14) is None
        assert segment.offset_for_timestamp(NOW_MS + 501, BASE) is None


class TestRolling:
    def ask(self, segment, *, length=100, last_offset=BASE + 20, timestamp=NOW_MS, now_ms=NOW_MS, **config):
        return segment.should_roll(LogConfig(**config), length, last_offset, timestamp, now_ms)

    def test_at_the_size(self, segment):
        assert not self.ask(segment, segment_bytes=segment.size + 100)
        assert self.ask(segment, segment_bytes=segment.size + 99)

    def test_at_the_time(self, segment):
        assert not self.ask(segment, timestamp=NOW_MS + 1000, segment_ms=1000)
        assert self.ask(segment, timestamp=NOW_MS + 1001, segment_ms=1000)
        assert not self.ask(segment, now_ms=NOW_MS + 10**9, segment_ms=1000)

    def test_an_empty_one_is_never_too_old(self, tmp_path):
        assert not self.ask(new_segment(tmp_path), timestamp=-1, now_ms=NOW_MS + 10**9, segment_ms=1000)

    @pytest.mark.parametrize(
        ("last_offset", "rolls"), [(BASE - 1, True), (BASE + 2**31 - 1, False), (BASE + 2**31, True)]
    )
    def test_at_an_offset_that_the_index_cannot_hold(self, segment, last_offset, rolls):
        assert self.ask(segment, last_offset=last_offset) is rolls

    def test_what_is_known_of_its_room_is_what_there_is(self, tmp_path):
        (tmp_path / "other").mkdir()
        asked_again, asked_anew = new_segment(tmp_path), new_segment(tmp_path / "other")
        config = {"segment_index_bytes": 12 * 5, "segment_ms": 1000}
        kept = LogConfig(**config)
        answers = []
        for number in range(60):
            for late_ms in (0, 900, 1000, 1001):
                asked = 100, BASE + number, NOW_MS + number // 7 + late_ms, NOW_MS
                answers.append(asked_again.should_roll(kept, *asked))
                assert answers[-1] is asked_anew.should_roll(LogConfig(**config), *asked), (number, late_ms)
            for segment in (asked_again, asked_anew):
                add(segment, BASE + number, timestamp=NOW_MS + number // 7)
        assert answers[:4] == [False] * 4
        assert answers[4:8] == [False, False, False, True]
        assert answers[-4:] == [True] * 4

    def test_at_a_full_index(self, segment):
        assert self.ask(segment, segment_index_bytes=8 * len(segment.offset_index))
        assert not self.ask(segment, segment_index_bytes=12 * (len(segment.time_index) + 3))


class TestTruncation:
    @pytest.mark.parametrize("again", [False, True])
    @pytest.mark.parametrize("offset", range(BASE, BASE + 21))
    def test_positions_and_timestamps_are_those_of_what_stays(self, segment, tmp_path, again, offset):
        if again:
            segment = reopened(segment, tmp_path)
        segment.truncate_to(offset)
        whole = (offset - BASE) // 2
        assert [header.base_offset for _, _, header in segment.batches()] == [BASE + 2 * n for n in range(whole)]
        assert os.path.getsize(segment.log.path) == segment.size
        assert all(position < segment.size for _, position in segment.offset_index.entries())
        stamps = [NOW_MS + (500 if number == 6 else 10 * number) for number in range(whole)]
        assert segment.max_timestamp == max(stamps, default=-1)
        add(segment, offset, timestamp=7)
        assert segment.position_of(offset) is not None
        assert segment.first_timestamp == (stamps[0] if stamps else 7)


class FailingDisk(OsFiles):
    """Writes half, then refuses; may refuse also to cut."""

    def __init__(self) -> None:
        self.failing = SimpleNamespace(pwrite=False, ftruncate=False)

    def pwrite(self, descriptor, data, position):
        if self.failing.pwrite:
            if len(data) < 60:
                raise OSError(errno.EIO, "Input/output error")
            return os.pwrite(descriptor, data[: len(data) // 2], position)
        return os.pwrite(descriptor, data, position)

    def ftruncate(self, descriptor, length):
        if self.failing.ftruncate:
            raise OSError(errno.EROFS, "Read-only file system")
        os.ftruncate(descriptor, length)


class TestFailedWrite:
    @pytest.mark.parametrize("cannot_cut", [False, True])
    def test_it_is_neither_counted_nor_read_and_the_next_takes_its_place(self, tmp_path, cannot_cut):
        disk = FailingDisk()
        segment = new_segment(tmp_path, files=disk)
        add(segment, BASE)
        size = segment.size
        disk.failing.pwrite, disk.failing.ftruncate = True, cannot_cut
        with pytest.raises(OSError, match="Input/output error"):
            add(segment, BASE + 1)
        assert segment.size == size
        assert (os.path.getsize(segment.log.path) > size) is cannot_cut
        assert [header.base_offset for _, _, header in segment.batches()] == [BASE]
        assert segment.position_of(BASE + 1) is None
        disk.failing.pwrite = disk.failing.ftruncate = False
        assert add(segment, BASE + 1) == size
        assert [header.base_offset for _, _, header in segment.batches()] == [BASE, BASE + 1]


class TestFiles:
    def test_closing_leaves_the_largest_timestamp_as_the_last_entry(self, segment, tmp_path):
        segment.close()
        content = (tmp_path / f"{BASE:020d}.timeindex").read_bytes()
        assert int.from_bytes(content[-12:-4], "big") == NOW_MS + 500
        assert int.from_bytes(content[-4:], "big") == 13

    def test_deletion_is_a_rename_first(self, segment, tmp_path):
        segment.save_indexes()
        renamed = mark_deleted(OS_FILES, segment.paths)
        stem = f"{BASE:020d}"
        expected = [f"{stem}{suffix}.deleted" for suffix in (".index", ".log", ".timeindex")]
        assert sorted(os.listdir(tmp_path)) == expected
        assert sorted(os.path.basename(path) for path in renamed) == expected

    def test_deleting_at_once_leaves_nothing(self, segment, tmp_path):
        segment.save_indexes()
        segment.delete_now()
        assert os.listdir(tmp_path) == []
