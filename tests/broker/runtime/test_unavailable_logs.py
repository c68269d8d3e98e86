"""A log that cannot be opened: its partition answers KAFKA_STORAGE_ERROR, and all others serve."""

from __future__ import annotations

import errno
import logging
import os

import pytest
from ottla.broker.clock import ManualClock
from ottla.broker.metadata.image import MetadataImage
from ottla.broker.runtime.log_directories import LogDirectories
from ottla.broker.runtime.partitions import Partitions
from ottla.protocol.errors import ErrorCode
from ottla.protocol.records import Record, build_batch
from ottla.protocol.stored import metadata as stored
from ottla.storage.append import AppendError
from ottla.storage.environment import StorageEnvironment
from ottla.storage.log_config import LogConfig

from ...harness.faulty_files import FULL_DISK, Fault, FaultyFiles

TOPIC_ID = b"t" * 16
NOT_READABLE = Fault(errno.EIO)


class Place:
    """Partitions t-0 to t-2 on a disk that can fail; `start` and `stop` as a broker does."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.files = FaultyFiles(folder)
        self.clock = ManualClock()

    def start(self):
        environment = StorageEnvironment(files=self.files)
        self.directories = LogDirectories.lock(
            [os.fspath(self.folder)], environment, node_id=1, clock=self.clock, new_uuid=lambda: b"u" * 16
        )
        self.directories.begin(1)
        image = MetadataImage(self.directories.cluster_id, 1)
        image.replay(stored.TopicRecord(name="t", topic_id=TOPIC_ID))
        for index in range(3):
            image.replay(
                stored.PartitionRecord(
                    partition_id=index, topic_id=TOPIC_ID, replicas=[1], isr=[1], leader=1, leader_epoch=0
                )
            )
        self.partitions = Partitions(self.directories, image, lambda overrides: LogConfig())
        self.partitions.open_all()
        return [self.partitions.get("t", index) for index in range(3)]

    def stop(self):
        self.directories.checkpoint()
        self.directories.close(7)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "data")


def append(partition, value=b"v"):
    batch = build_batch([Record(0, 1, b"k", value)], base_offset=0)
    return partition.append(memoryview(batch), now_ms=1).base_offset


def refusal(partition):
    with pytest.raises(AppendError) as caught:
        append(partition)
    return caught.value.code


def first_call_of(place, folder, operation):
    """The number that the first such call on a folder will have at the next start, found by a dry run."""
    wanted = os.fspath(place.folder / folder)
    return next(n for n, call in enumerate(place.files.calls) if (call.operation, call.name) == (operation, wanted))


def test_a_folder_that_cannot_be_made_takes_only_its_own_partition_off_line(place, caplog):
    dry = Place(place.folder.with_name("dry"))
    dry.start()
    place.files.fail(first_call_of(dry, "t-1", "mkdir"), NOT_READABLE)
    first, bad, last = place.start()
    assert refusal(bad) is ErrorCode.KAFKA_STORAGE_ERROR
    assert bad.problem_with_epoch(-1) is ErrorCode.KAFKA_STORAGE_ERROR
    assert (append(first), append(last)) == (0, 0)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1
    assert "t-1 is off line" in said[0]
    assert "Input/output error" in said[0]


def test_a_full_disk_is_tried_again(place):
    dry = Place(place.folder.with_name("dry"))
    dry.start()
    place.files.fail(first_call_of(dry, "t-1", "mkdir"), FULL_DISK)
    _, bad, _ = place.start()
    place.partitions.reopen()
    assert refusal(bad) is ErrorCode.KAFKA_STORAGE_ERROR
    place.files.heal()
    place.partitions.reopen()
    assert append(bad) == 0
    place.stop()
    assert [partition.log.log_end_offset for partition in place.start()] == [0, 1, 0]


def test_a_disk_that_failed_is_not_tried_again_by_itself(place):
    dry = Place(place.folder.with_name("dry"))
    dry.start()
    place.files.fail(first_call_of(dry, "t-1", "mkdir"), NOT_READABLE)
    _, bad, _ = place.start()
    place.partitions.reopen()
    assert refusal(bad) is ErrorCode.KAFKA_STORAGE_ERROR


def test_a_log_that_was_not_opened_is_not_taken_for_closed_in_good_order(place):
    partitions = place.start()
    for partition in partitions:
        append(partition)
    partitions[1].log.advance_log_start_offset(1)
    place.stop()
    assert (place.folder / ".kafka_cleanshutdown").exists()
    folder = place.folder / "t-1"
    os.rename(folder / "00000000000000000000.log", folder / "kept")
    os.mkdir(folder / "00000000000000000000.log")  # what cannot be opened as a file
    (folder / "00000000000000000000.log.swap").write_bytes(b"")  # and cannot be replaced by one
    _, bad, _ = place.start()
    assert refusal(bad) is ErrorCode.KAFKA_STORAGE_ERROR
    place.stop()
    assert not (place.folder / ".kafka_cleanshutdown").exists()
    assert "t 1 1" in (place.folder / "log-start-offset-checkpoint").read_text().splitlines()
    os.rmdir(folder / "00000000000000000000.log")
    (folder / "00000000000000000000.log.swap").unlink(missing_ok=True)
    os.rename(folder / "kept", folder / "00000000000000000000.log")
    good = place.start()[1]
    assert (good.log.log_start_offset, good.log.log_end_offset) == (1, 1)


def test_a_log_whose_sync_failed_is_not_closed_as_a_good_one_and_the_others_are(place):
    first, bad, last = place.start()
    for partition in (first, bad, last):
        append(partition)
    place.files.fail_from_now_on(NOT_READABLE)
    bad.log.sync.request(1)
    assert refusal(bad) is ErrorCode.KAFKA_STORAGE_ERROR
    place.stop()
    assert not (place.folder / ".kafka_cleanshutdown").exists()
    recovery_points = (place.folder / "recovery-point-offset-checkpoint").read_text().splitlines()
    assert {"t 0 1", "t 2 1"} <= set(recovery_points)
    assert "t 1 1" not in recovery_points
