"""A real process on a real file system without room: it refuses what it cannot keep, serves what it has, and goes on
by itself when there is room again."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

from ..harness.broker_process import BrokerDidNotStart, OttlaBroker
from ..harness.raw_client import RawClient
from .campaign import Topic, create, fetch, list_offset, whole_records
from .ledger import value_of

OPTIONS = {
    "offsets.topic.num.partitions": "2",
    "offsets.topic.replication.factor": "1",
    "log.initial.task.delay.ms": "10",
    "log.flush.offset.checkpoint.interval.ms": "100",
    "log.retention.check.interval.ms": "100",
}
DISK_BYTES = 6 << 20
BALLAST_BYTES = 2 << 20
TOPIC = "t"
RETRIES_S = 30


class SmallDisk:
    """A file system of its own; `ballast` takes room that a test can give back."""

    def __init__(self, path) -> None:
        self.path = path
        self.ballast = path / "ballast"

    def take_ballast(self) -> None:
        self.ballast.write_bytes(os.urandom(BALLAST_BYTES))

    def give_room(self) -> None:
        self.ballast.unlink()

    def fill(self) -> None:
        """Take all that is left."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                return


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield SmallDisk(path)
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def broker(disk, tmp_path):
    broker = OttlaBroker(tmp_path / "home", OPTIONS)
    broker.data_dir = disk.path / "data"
    disk.take_ballast()
    broker.start()
    with RawClient(broker) as client:
        create(client, Topic(TOPIC, 1, 262_144, {}))
        client.ask(FindCoordinatorRequest(key="g"), FindCoordinatorResponse, 3)
    yield broker
    broker.kill()
    print(broker.log_tail())  # noqa: T201 (pytest shows it beside a failure)


class Writer:
    """Writes large records and remembers where they were acknowledged."""

    def __init__(self, broker) -> None:
        self._broker = broker
        self.acknowledged: dict[int, bytes] = {}
        self._number = 0

    def write(self) -> ErrorCode:
        value = value_of("writer", 2 * self._number + 1) * 100
        self._number += 1
        batch = build_batch(
            [Record(0, time.time_ns() // 1_000_000, None, value)], base_offset=0, compression=Compression.NONE
        )
        topic = TopicProduceData(name=TOPIC, partition_data=[PartitionProduceData(index=0, records=batch)])
        with RawClient(self._broker) as client:
            response = client.ask(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic]), ProduceResponse, 9)
        answer = response.responses[0].partition_responses[0]
        if answer.error_code == 0:
            self.acknowledged[answer.base_offset] = value
        return ErrorCode(answer.error_code)

    def write_until(self, code: ErrorCode) -> None:
        deadline = time.monotonic() + RETRIES_S
        while (answered := self.write()) is not code:
            assert answered in (ErrorCode.NONE, ErrorCode.KAFKA_STORAGE_ERROR), answered.name
            assert time.monotonic() < deadline, f"still {answered.name}"

    def check(self) -> None:
        """All that was acknowledged can be read, and nothing else is there."""
        found: dict[int, bytes] = {}
        with RawClient(self._broker) as client:
            end = list_offset(client, TOPIC, 0, -1)
            while len(found) < end:
                found.update(whole_records(fetch(client, TOPIC, 0, len(found))))
        assert found == self.acknowledged


def commit(broker, offset: int) -> ErrorCode:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="m" * 4000)
    topic = OffsetCommitRequestTopic(name=TOPIC, partitions=[partition])
    with RawClient(broker) as client:
        answer = client.ask(OffsetCommitRequest(group_id="g", topics=[topic]), OffsetCommitResponse, 8)
    return ErrorCode(answer.topics[0].partitions[0].error_code)


def create_another(broker, name: str) -> ErrorCode:
    topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1)
    with RawClient(broker) as client:
        return ErrorCode(client.ask(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7).topics[0].error_code)


def eventually(ask, code: ErrorCode) -> None:
    deadline = time.monotonic() + RETRIES_S
    while (answered := ask()) is not code:
        assert time.monotonic() < deadline, f"still {answered.name}, not {code.name}"
        time.sleep(0.05)


def why_not_started(broker) -> str | None:
    """Start; what it said if it did not."""
    try:
        broker.start()
    except BrokerDidNotStart as refusal:
        return str(refusal)
    return None


@pytest.mark.timeout(240)
def test_a_full_disk_refuses_and_room_heals(disk, broker):
    writer = Writer(broker)
    writer.write_until(ErrorCode.KAFKA_STORAGE_ERROR)
    disk.fill()
    assert writer.write() is ErrorCode.KAFKA_STORAGE_ERROR
    writer.check()
    refusals = [commit(broker, number) for number in range(20)]
    assert refusals[-1] is not ErrorCode.NONE
    topics = [create_another(broker, f"more-{number}") for number in range(60)]
    assert topics[-1] is ErrorCode.KAFKA_STORAGE_ERROR
    assert broker.alive()
    writer.check()
    assert "Traceback" not in broker.log_text()

    disk.give_room()
    writer.write_until(ErrorCode.NONE)
    eventually(lambda: commit(broker, 99), ErrorCode.NONE)
    eventually(lambda: create_another(broker, "one-more"), ErrorCode.NONE)
    writer.check()
    assert broker.stop() == 0
    broker.start()
    writer.check()
    assert "Traceback" not in broker.log_text()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("end", [OttlaBroker.kill, OttlaBroker.stop])
def test_a_start_on_a_full_disk_is_refused_or_works_and_loses_nothing(disk, broker, end):
    writer = Writer(broker)
    writer.write_until(ErrorCode.KAFKA_STORAGE_ERROR)
    disk.fill()
    end(broker)
    refusal = why_not_started(broker)
    if refusal is None:
        writer.check()
    else:
        assert "No space left on device" in refusal
        assert "Traceback" not in refusal
    broker.kill()
    disk.give_room()
    broker.start()
    writer.check()
    writer.write_until(ErrorCode.NONE)
    writer.check()
