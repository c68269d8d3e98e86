"""What many partitions may cost: counted in opened files and in bytes read, not in time."""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter

import pytest
from ottla.storage.environment import StorageEnvironment
from ottla.storage.files import OS_FILES, Descriptors, OsFiles
from ottla.storage.log_config import LogConfig
from ottla.storage.log_directory import LogDirectory
from ottla.storage.segment import Segment

from .log_home import NOW_MS, append, producer_batch, records_of

PARTITIONS = 20
TOPIC_ID = b"i" * 16


class Opened:
    """Every file that this process opens while it watches, by the end of its name."""

    def __init__(self, below: str) -> None:
        self._below = below
        self._paths: list[str] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if event == "open" and self._paths is not None and str(arguments[0]).startswith(self._below):
            self._paths.append(str(arguments[0]))

    def __enter__(self) -> Opened:
        self._paths = []
        return self

    def __exit__(self, *exception) -> None:
        paths, self._paths = self._paths, None
        folders = [path for path in paths if path != self._below and os.path.dirname(path) != self._below]
        self.names = Counter(os.path.basename(path) for path in folders)


class CountedFiles(OsFiles):
    """Counts what it is asked to change."""

    def __init__(self) -> None:
        self.opened = 0
        self.renamed = 0

    def open(self, path, flags, mode=0o777):
        self.opened += 1
        return os.open(path, flags, mode)

    def rename(self, source, target):
        self.renamed += 1
        os.replace(source, target)


class RefusingFiles(OsFiles):
    """A disk that does not sync the files of one folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def fsync(self, descriptor):
        if self._folder in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EIO, "Input/output error")
        os.fsync(descriptor)


class Place:
    """A log directory with some partitions t-0, t-1 ..., each of three segments."""

    def __init__(self, path) -> None:
        self.path = str(path)
        self.config = LogConfig(segment_bytes=400, index_interval_bytes=150)

    def open(self, files=OS_FILES, count=PARTITIONS):
        self.directory = LogDirectory.lock(self.path, StorageEnvironment(files=files), node_id=1)
        return [self.directory.open_log("t", index, TOPIC_ID, self.config, NOW_MS) for index in range(count)]

    def begin(self):
        self.directory.join_cluster("cluster", 1)
        self.directory.begin()

    def stop(self):
        self.directory.close(1)

    def crash(self, logs):
        for log in logs:
            log.abandon()
        self.directory.unlock()


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    logs = place.open()
    place.begin()
    for log in logs:
        log.high_watermark = log.log_end_offset
        for number in range(12):
            append(log, b"value-%02d" % number + bytes(20))
    assert [log.segment_base_offsets for log in logs] == [[0, 4, 8]] * PARTITIONS
    place.stop()
    return place


def test_a_start_after_a_clean_stop_opens_no_more_than_it_needs(place):
    files = CountedFiles()
    with Opened(place.path) as opened:
        logs = place.open(files)
    assert opened.names == {
        "partition.metadata": PARTITIONS,
        "leader-epoch-checkpoint": PARTITIONS,
        f"{12:020d}.snapshot": PARTITIONS,
        f"{8:020d}.log": PARTITIONS,
        f"{8:020d}.index": PARTITIONS,
    }
    assert (files.opened, files.renamed) == (0, 0)
    assert [log.log_end_offset for log in logs] == [12] * PARTITIONS
    place.crash(logs)


def test_a_stop_that_follows_writes_nothing_into_the_folders(place):
    logs = place.open()
    place.begin()
    with Opened(place.path) as opened:
        place.stop()
    assert opened.names == {}
    assert [log.log_end_offset for log in logs] == [12] * PARTITIONS


class TestStopOfMany:
    COUNT = 100

    def test_everything_is_on_the_disk_and_known_to_be(self, place):
        for log in place.open(count=self.COUNT):
            append(log, b"more")
        place.begin()
        place.stop()
        logs = place.open(count=self.COUNT)
        assert place.directory.is_clean
        assert [log.log_end_offset for log in logs] == [13] * PARTITIONS + [1] * (self.COUNT - PARTITIONS)
        assert [log.recovery_point for log in logs] == [log.log_end_offset for log in logs]
        place.crash(logs)

    @pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc to tell files by")
    def test_a_log_that_cannot_be_synced_leaves_the_stop_unclean_and_the_others_closed(self, place):
        logs = place.open(RefusingFiles("/t-7/"), count=self.COUNT)
        place.begin()
        for log in logs:
            append(log, b"more")
        with pytest.raises(OSError, match="Input/output error"):
            place.stop()
        assert not os.path.exists(os.path.join(place.path, ".kafka_cleanshutdown"))
        logs = place.open(count=self.COUNT)
        assert not place.directory.is_clean
        assert [log.recovery_point == 13 for log in logs[5:9]] == [True, True, False, True]
        place.crash(logs)


def test_after_a_crash_what_was_not_written_is_read_at_its_end_only(place):
    logs = place.open()
    place.begin()
    logs[3].high_watermark = 12
    append(logs[3], b"one more")
    place.crash(logs)
    for index in range(PARTITIONS):
        path = os.path.join(place.path, f"t-{index}", f"{8:020d}.log")
        with open(path, "r+b") as file:  # whoever reads the first batch ends the log before it
            file.seek(70)
            file.write(b"\xff")
    logs = place.open()
    assert [log.log_end_offset for log in logs] == [13 if index == 3 else 12 for index in range(PARTITIONS)]
    place.crash(logs)


def test_reading_everything_keeps_no_index_in_memory(place):
    logs = place.open()
    for log in logs:
        log.high_watermark = log.log_end_offset
        assert len(records_of(log)) == 12
        assert log.offset_for_timestamp(NOW_MS) == (NOW_MS, 0, 0)
    assert all(segment.indexes.offsets is segment.indexes.times is None for log in logs for segment in log.segments)
    place.crash(logs)


def test_writing_keeps_the_index_of_the_last_segment_only(place):
    logs = place.open()
    for log in logs:
        log.high_watermark = log.log_end_offset
        for number in range(12, 30):
            append(log, b"value-%02d" % number + bytes(20))
        *finished, active = log.segments
        assert len(finished) > 4
        assert all(segment.indexes.offsets is segment.indexes.times is None for segment in finished)
        assert active.indexes.offsets is not None
    place.crash(logs)


def test_ten_thousand_segments_in_use_have_512_descriptors(tmp_path):
    descriptors = Descriptors(512)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    batch = bytes(producer_batch(b"value", partition_leader_epoch=0))
    segments = []
    for base in range(10_000):
        segment = Segment.create(
            str(tmp_path), base, index_interval_bytes=4096, files=OS_FILES, descriptors=descriptors, created_ms=NOW_MS
        )
        segment.append(batch, base, base, NOW_MS)
        segments.append(segment)
        assert descriptors.open_count <= 512
    for segment in segments:
        end = (segment.base_offset + 1, segment.size)
        assert segment.read(segment.base_offset, 1 << 20, end, min_one_batch=True) == batch
        assert descriptors.open_count <= 512
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) <= before + 512
    for segment in segments:
        segment.log.close()
