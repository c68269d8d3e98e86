"""What the checkpoints say of a partition is never taken for the next one of its name."""

from __future__ import annotations

import pytest
from ottla.protocol.records import Record, build_batch
from ottla.storage.checkpoints import TopicPartition, read_offsets
from ottla.storage.environment import StorageEnvironment
from ottla.storage.log_config import LogConfig
from ottla.storage.log_directory import LogDirectory
from ottla.storage.offset_checkpoints import HIGH_WATERMARKS, LOG_START_OFFSETS, RECOVERY_POINTS

NOW_MS = 1_700_000_000_000
OLD_ID, NEW_ID = b"o" * 16, b"n" * 16
T = TopicPartition("t", 0)
OTHER = TopicPartition("other", 0)


class Place:
    """A log directory that can crash: what is in the files stays, the process's memory does not."""

    def __init__(self, path) -> None:
        self.path = path
        self.directory = self._take()

    def _take(self) -> LogDirectory:
        directory = LogDirectory.lock(str(self.path), StorageEnvironment(), node_id=1)
        directory.join_cluster("c", 1)
        directory.begin()
        return directory

    def crash(self) -> None:
        for log in self.directory.logs.values():
            log.abandon()
        self.directory.unlock()
        self.directory = self._take()

    def restart(self) -> None:
        self.directory.close(1)
        self.directory = self._take()

    def open(self, topic_id=OLD_ID, topic="t"):
        return self.directory.open_log(topic, 0, topic_id, LogConfig(), NOW_MS)

    def written(self, name) -> dict[TopicPartition, int]:
        return read_offsets(str(self.path / name))


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "data")
    yield place
    place.directory.unlock()


def append(log, count):
    records = [Record(i, NOW_MS, None, b"value %d" % i) for i in range(count)]
    log.append(memoryview(build_batch(records, base_offset=0)), leader_epoch=0, now_ms=NOW_MS)
    log.high_watermark = log.log_end_offset


def test_a_recreated_topic_keeps_its_records_in_a_crash(place):
    old = place.open()
    append(old, 10)
    old.advance_log_start_offset(8)
    append(place.open(topic="other"), 4)
    place.restart()
    assert place.written(LOG_START_OFFSETS) == {T: 8}

    place.directory.discard(place.open(), NOW_MS)
    append(place.open(NEW_ID), 3)
    place.crash()
    new = place.open(NEW_ID)
    assert (new.log_start_offset, new.log_end_offset) == (0, 3)


def test_all_that_was_known_of_others_stays(place):
    """The first folder that is made at a start may come before others are opened."""
    for topic, start in (("t", 8), ("other", 2)):
        log = place.open(topic=topic)
        append(log, 10)
        log.advance_log_start_offset(start)
    place.restart()
    place.open(NEW_ID)
    assert place.written(LOG_START_OFFSETS) == {OTHER: 2}
    assert place.written(RECOVERY_POINTS) == {OTHER: 10}
    place.crash()
    assert place.open(topic="other").log_start_offset == 2


def test_what_was_to_be_written_before_a_deletion_is_not_written_after_the_creation(place):
    log = place.open()
    append(log, 10)
    log.advance_log_start_offset(8)
    write = place.directory.checkpoint()
    place.directory.discard(log, NOW_MS)
    append(place.open(NEW_ID), 3)
    write()
    for name in (RECOVERY_POINTS, LOG_START_OFFSETS, HIGH_WATERMARKS):
        assert T not in place.written(name)


def test_an_older_snapshot_does_not_take_back_a_newer_one(place):
    log = place.open()
    append(log, 10)
    older = place.directory.checkpoint()
    log.advance_log_start_offset(8)
    place.directory.checkpoint_log_starts()()
    assert place.written(LOG_START_OFFSETS) == {T: 8}
    older()
    assert place.written(LOG_START_OFFSETS) == {T: 8}
    assert T in place.written(RECOVERY_POINTS)
    place.crash()
    assert place.open().log_start_offset == 8


def test_nothing_is_written_for_a_name_that_is_new(place):
    place.open()
    assert not (place.path / RECOVERY_POINTS).exists()


def test_a_directory_that_was_closed_holds_no_deleted_folders(place):
    log = place.open()
    append(log, 1)
    place.directory.discard(log, NOW_MS)
    assert [path.name.endswith("-delete") for path in place.path.iterdir() if path.is_dir()] == [True]
    place.directory.close(1)
    assert [path for path in place.path.iterdir() if path.is_dir()] == []
    place.directory = place._take()
