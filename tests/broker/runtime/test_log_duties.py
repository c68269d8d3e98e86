"""The duties of logs, on real log directories and by hand-moved time."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest
from ottla.broker.runtime.log_directories import LogDirectories
from ottla.broker.runtime.log_duties import LogDuties
from ottla.broker.runtime.partitions import Partitions
from ottla.broker.runtime.timers import Timers
from ottla.storage.checkpoints import read_offsets
from ottla.storage.environment import StorageEnvironment

from ..data_broker import batch
from ..metadata_broker import MetadataBroker

MINUTE_MS = 60_000
FIRST_ROUND_MS = 30_000  # log.initial.task.delay.ms
LARGE = batch(value=b"v" * 600_000)


class DutifulBroker(MetadataBroker):
    """Partitions in a log directory, with the duties that the configuration asks for."""

    def __init__(self, folder, *options):
        super().__init__(folder, options)
        self.folder = folder / "logs"
        self.timers = Timers()
        expiration_ms = self.config.producer_id_expiration_ms
        environment = StorageEnvironment(files=self.disk, producer_id_expiration_ms=expiration_ms)
        self.directories = LogDirectories.lock(
            [os.fspath(self.folder)], environment, node_id=1, clock=self.clock, new_uuid=self.new_uuid
        )
        self.directories.begin(1)
        self.partitions = Partitions(self.directories, self.metadata.image, self.config.log_config)
        self.metadata.listeners.append(self.partitions)
        services = replace(self.services(), timers=self.timers, partitions=self.partitions)
        self.duties = LogDuties(services, self.directories)
        self.duties.start()

    def append(self, topic, records=None, partition=0):
        records = bytearray(batch() if records is None else records)
        return self.partitions.get(topic, partition).append(memoryview(records), now_ms=self.clock.now_ms())

    def log_of(self, topic, partition=0):
        return self.partitions.get(topic, partition).log

    def advance(self, elapsed_ms):
        end_ms = self.clock.monotonic_ms() + elapsed_ms
        while (due_ms := self.timers.next_deadline_ms()) is not None and due_ms <= end_ms:
            self.clock.advance(max(due_ms - self.clock.monotonic_ms(), 0))
            self.timers.run_due(self.clock.monotonic_ms())
        self.clock.advance(end_ms - self.clock.monotonic_ms())


@pytest.fixture
def new_broker(tmp_path):
    brokers = []

    def start(*options):
        brokers.append(DutifulBroker(tmp_path, *options))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.duties.stop()
        broker.directories.close(1)


def test_retention_runs_after_a_while_and_then_at_its_interval(new_broker):
    broker = new_broker("log.retention.check.interval.ms=300000")
    broker.create("t", segment_bytes=str(1 << 20), retention_bytes=str(600_000), file_delete_delay_ms="1000")
    for round_ms, kept_from in ((FIRST_ROUND_MS, 1), (5 * MINUTE_MS, 3)):
        broker.append("t", LARGE)
        broker.append("t", LARGE)
        before = broker.log_of("t").log_start_offset
        broker.advance(round_ms - 1)
        assert broker.log_of("t").log_start_offset == before
        broker.advance(1)
        assert broker.log_of("t").log_start_offset == kept_from
    broker.advance(2000)
    names = sorted(name for name in os.listdir(broker.folder / "t-0") if name.endswith(".log"))
    assert names == [f"{offset:020d}.log" for offset in (3,)]
    assert not any(name.endswith(".deleted") for name in os.listdir(broker.folder / "t-0"))


def test_checkpoints_say_where_logs_begin_and_how_far_they_reach(new_broker):
    broker = new_broker("log.flush.offset.checkpoint.interval.ms=60000")
    broker.create("t")
    broker.append("t", batch(5))
    broker.log_of("t").advance_log_start_offset(3)
    broker.advance(FIRST_ROUND_MS)
    assert read_offsets(broker.folder / "log-start-offset-checkpoint") == {("t", 0): 3}
    assert read_offsets(broker.folder / "replication-offset-checkpoint") == {("t", 0): 5}
    assert read_offsets(broker.folder / "recovery-point-offset-checkpoint") == {("t", 0): 0}


def test_flushes_follow_the_topics_own_time(new_broker):
    broker = new_broker("log.flush.scheduler.interval.ms=1000")
    broker.create("often", flush_ms="1000")
    broker.create("never", flush_ms=str((1 << 63) - 1))
    for topic in ("often", "never"):
        broker.append(topic)
    broker.advance(FIRST_ROUND_MS)
    assert (broker.log_of("often").recovery_point, broker.log_of("never").recovery_point) == (1, 0)


def test_silent_producers_are_forgotten(new_broker):
    broker = new_broker("producer.id.expiration.ms=86400000", "producer.id.expiration.check.interval.ms=600000")
    broker.create("t")
    broker.append("t", batch(start_ms=broker.clock.now_ms(), producer_id=7, producer_epoch=0, base_sequence=0))
    broker.advance(86_400_000 - MINUTE_MS)
    assert 7 in broker.log_of("t").producers.entries
    broker.advance(20 * MINUTE_MS)
    assert 7 not in broker.log_of("t").producers.entries


def test_folders_of_deleted_topics_go_after_their_delay(new_broker):
    broker = new_broker()
    broker.create("t", file_delete_delay_ms="60000")
    broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
    assert [name for name in os.listdir(broker.folder) if name.endswith("-delete")]
    broker.advance(62_000)
    assert not [name for name in os.listdir(broker.folder) if name.endswith("-delete")]


def test_a_log_that_fails_in_a_duty_goes_off_line_alone(new_broker, monkeypatch):
    broker = new_broker("log.retention.check.interval.ms=1000")
    broker.create("t", 2)
    bad = broker.partitions.get("t", 0)
    original = type(bad.log).apply_retention

    def fail(self, now_ms):
        if self is bad.log:
            raise OSError(errno.EIO, "Input/output error")
        return original(self, now_ms)

    monkeypatch.setattr(type(bad.log), "apply_retention", fail)
    broker.advance(FIRST_ROUND_MS)
    assert bad.offline_reason == "[Errno 5] Input/output error"
    assert broker.partitions.get("t", 1).offline_reason is None
    assert broker.append("t", partition=1).base_offset == 0


def test_after_a_stop_nothing_runs(new_broker):
    broker = new_broker()
    broker.duties.stop()
    assert broker.timers.next_deadline_ms() is None
