"""The log directories as the broker uses them, on real files."""

from __future__ import annotations

import pytest
from ottla.broker.clock import SystemClock
from ottla.broker.runtime.log_directories import LogDirectories
from ottla.protocol.records import Record, build_batch
from ottla.storage.checkpoints import TopicPartition, read_offsets
from ottla.storage.environment import StorageEnvironment
from ottla.storage.log_config import LogConfig
from ottla.storage.offset_checkpoints import LOG_START_OFFSETS

from ...held_background import HeldBackground


@pytest.fixture
def background():
    return HeldBackground()


@pytest.fixture
def directories(tmp_path, background):
    directories = LogDirectories.lock(
        [str(tmp_path / name) for name in ("a", "b")],
        StorageEnvironment(background=background),
        node_id=1,
        clock=SystemClock(),
        new_uuid=lambda: b"u" * 16,
    )
    directories.begin(1)
    yield directories
    directories.unlock()


def log_that_begins_at(directories, topic, directory, offset):
    log = directories.open(topic, 0, topic.encode() * 16, LogConfig(), directory.directory_id)
    records = [Record(i, 1, None, b"v") for i in range(10)]
    log.append(memoryview(build_batch(records, base_offset=0)), leader_epoch=0, now_ms=1)
    log.high_watermark = log.log_end_offset
    log.advance_log_start_offset(offset)
    return log


def test_a_start_is_kept_before_anybody_is_told(directories, background, tmp_path):
    first, second = directories.directories
    logs = [
        log_that_begins_at(directories, topic, home, offset)
        for topic, home, offset in (("x", first, 3), ("y", second, 4), ("z", first, 5))
    ]
    told = []
    background.hold = True
    for keep in directories.keep_starts(logs):
        keep(told.append)
    assert told == []
    background.finish_all()
    assert told == [None, None]
    assert read_offsets(str(tmp_path / "a" / LOG_START_OFFSETS)) == {
        TopicPartition("x", 0): 3,
        TopicPartition("z", 0): 5,
    }
    assert read_offsets(str(tmp_path / "b" / LOG_START_OFFSETS)) == {TopicPartition("y", 0): 4}


def test_a_disk_that_fails_is_told(directories, tmp_path):
    log = log_that_begins_at(directories, "x", directories.directories[0], 3)
    (tmp_path / "a" / (LOG_START_OFFSETS + ".tmp")).mkdir()
    told = []
    for keep in directories.keep_starts([log]):
        keep(told.append)
    assert [type(error) for error in told] == [IsADirectoryError]
