"""What clients do to a broker whose disk keeps a journal, and what each of them was promised at which step of it."""

from __future__ import annotations

import itertools
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ottla.broker.app import StartError
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from ottla.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.record_batch import read_headers
from ottla.protocol.records import Record, build_batch, read_records

from ..harness.broker_in_thread import BrokerInThread
from ..harness.raw_client import RawClient, fetch_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..harness.faulty_files import FaultyFiles

SYNCED, PLAIN = "synced", "plain"
CONFIG = "max.message.bytes"
GROUP = "g"
OPTIONS = {
    "num.partitions": "1",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "log.segment.delete.delay.ms": "1",
    "log.initial.task.delay.ms": "1",
    "log.retention.check.interval.ms": "20",
    "log.flush.offset.checkpoint.interval.ms": "30",
    "log.cleaner.enable": "false",
}


class Promise(NamedTuple):
    """From a step of the journal on, `what` has a value, until the next promise about it is begun."""

    begun: int
    kept: int
    """The step at which it was promised; -1: never, so that it may be or not."""
    what: str
    value: object


@dataclass
class Word:
    """What was promised so far."""

    promises: list[Promise] = field(default_factory=list)

    def may_be(self, what: str, step: int) -> list[object]:
        """The values that `what` may have after a loss of power at a step: the last promised and any begun since."""
        values: list[object] = [None]
        for promise in self.promises:
            if promise.what == what and promise.begun <= step:
                if 0 <= promise.kept <= step:
                    values = [promise.value]
                else:
                    values.append(promise.value)
        return values

    def subjects(self) -> set[str]:
        return {promise.what for promise in self.promises}


class Refused(Exception):
    """The broker said no; nothing was promised."""


class BrokerStory:
    """Clients of one broker on a faulty disk. What is refused, or has no answer, is noted and the story goes on."""

    def __init__(self, data_dir: Path, files: FaultyFiles) -> None:
        self.data_dir = data_dir
        self.files = files
        self.word = Word()
        self.refusals: list[str] = []
        self.written: dict[str, list[bytes]] = {SYNCED: [], PLAIN: []}
        """Values by offset, as far as they were acknowledged or may be there."""
        self.lives: Counter[str] = Counter()
        """How often a topic of that name was created."""
        self._numbers = itertools.count()
        self._start()

    def live(self) -> None:
        """Topics come, change and go; records are written, offsets committed; the broker stops and starts."""
        self.create(SYNCED, **{"flush.messages": "1", "internal.segment.bytes": "600"})
        self.create(PLAIN, **{"internal.segment.bytes": "600"})
        for _ in range(4):
            self.write(SYNCED)
            self.write(PLAIN)
        self.create("short-lived", **{"flush.messages": "1"})
        self.write("short-lived")
        self.alter(SYNCED, 200_000)
        self.commit(3)
        for _ in range(4):
            self.write(SYNCED)
        self.delete("short-lived")
        self.create("short-lived", **{"flush.messages": "1"})
        self.write("short-lived")
        self.restart()
        self.alter(SYNCED, 200_001)
        for _ in range(4):
            self.write(SYNCED)
            self.write(PLAIN)
        self.commit(5)
        self.delete("short-lived")

    def stop(self) -> None:
        self.broker.stop()

    def restart(self) -> None:
        self.broker.stop()
        self._start()

    def _start(self) -> None:
        """Start; a broker whose disk does not let it is started again when somebody has looked at the disk."""
        self.broker = BrokerInThread(self.data_dir, OPTIONS, self.files)
        try:
            self.broker.start()
        except StartError as error:
            self.refusals.append(f"start: {error}")
            self.files.heal()
            self.broker = BrokerInThread(self.data_dir, OPTIONS, self.files)
            self.broker.start()

    # What clients do

    def create(self, name: str, **configs: str) -> None:
        topic = CreatableTopic(
            name=name,
            num_partitions=1,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
        )
        self.written[name] = []
        self.lives[name] += 1
        request = CreateTopicsRequest(topics=[topic])
        self._change(f"topic {name}", True, request, CreateTopicsResponse, 7, lambda answer: answer.topics[0])
        self.word.promises.append(self.word.promises[-1]._replace(what=f"life {name}", value=self.lives[name]))

    def delete(self, name: str) -> None:
        request = DeleteTopicsRequest(topic_names=[name], timeout_ms=1000)
        self._change(f"topic {name}", False, request, DeleteTopicsResponse, 5, lambda answer: answer.responses[0])

    def alter(self, name: str, value: int) -> None:
        config = AlterableConfig(name=CONFIG, config_operation=0, value=str(value))
        resource = AlterConfigsResource(resource_type=2, resource_name=name, configs=[config])
        request = IncrementalAlterConfigsRequest(resources=[resource])
        self._change(
            f"config {name}", value, request, IncrementalAlterConfigsResponse, 1, lambda answer: answer.responses[0]
        )

    def write(self, name: str) -> None:
        value = b"%d in life %d " % (next(self._numbers), self.lives[name]) + b"." * 120
        batch = build_batch([Record(0, time.time_ns() // 1_000_000, b"k", value)], base_offset=0)
        topic = TopicProduceData(name=name, partition_data=[PartitionProduceData(index=0, records=batch)])
        request = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic])
        what = f"record {name} {value.decode()}"
        offset = self._change(
            what, True, request, ProduceResponse, 9, lambda answer: answer.responses[0].partition_responses[0]
        )
        if offset is not None:
            self.written[name].append(value)

    def commit(self, offset: int) -> None:
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="")
        topic = OffsetCommitRequestTopic(name=PLAIN, partitions=[partition])
        request = OffsetCommitRequest(group_id=GROUP, topics=[topic])
        try:
            with RawClient(self.broker) as client:
                client.ask(FindCoordinatorRequest(key=GROUP), FindCoordinatorResponse, 3)
        except (OSError, EOFError, struct.error):
            return
        self._change(
            f"commit {GROUP}", offset, request, OffsetCommitResponse, 8, lambda answer: answer.topics[0].partitions[0]
        )

    def _change(
        self, what: str, value: object, request, response: type, version: int, part: Callable[[object], object]
    ) -> object | None:
        """Ask for a change and note what was promised; returns the answer, None where it was refused."""
        begun = self.files.steps
        try:
            with RawClient(self.broker) as client:
                answer = part(client.ask(request, response, version))
        except (OSError, EOFError) as error:
            self.word.promises.append(Promise(begun, -1, what, value))
            self.refusals.append(f"{what}: {error!r}")
            return None
        if answer.error_code != ErrorCode.NONE:
            self.word.promises.append(Promise(begun, -1, what, value))
            self.refusals.append(f"{what}: {ErrorCode(answer.error_code).name}")
            return None
        self.word.promises.append(Promise(begun, self.files.steps, what, value))
        return answer


class Aftermath:
    """A broker on what is left, and whether it keeps the word that was given by a step."""

    def __init__(self, data_dir: Path) -> None:
        self.broker = BrokerInThread(data_dir, OPTIONS)
        self.broker.start()

    def stop(self) -> None:
        self.broker.stop()

    def check(self, story: BrokerStory, step: int, *, all_written: bool) -> None:
        """Topics and configs as promised, and records: those of synced topics, or `all_written` ones."""
        with RawClient(self.broker) as client:
            topics = {
                topic.name: topic for topic in client.ask(MetadataRequest(topics=None), MetadataResponse, 12).topics
            }
            for what in sorted(story.word.subjects()):
                kind, _, name = what.partition(" ")
                may_be = story.word.may_be(what, step)
                if kind == "topic":
                    assert (name in topics) in [bool(value) for value in may_be], f"{what} is not one of {may_be}"
                elif kind == "config" and name in topics:
                    found = _config(client, name)
                    assert found in [value or 1_048_588 for value in may_be], f"{what} is {found}, not one of {may_be}"
                elif kind == "commit" and all_written:
                    found = _committed(client)
                    assert found in [-1 if value is None else value for value in may_be], f"{what} is {found}"
            for name in story.written:
                if name in topics:
                    self._check_records(client, story, name, step, all_written=all_written)
                    _write_one(client, name)

    def _check_records(self, client: RawClient, story: BrokerStory, name: str, step: int, *, all_written: bool) -> None:
        found = _records(client, name)
        lives = story.word.may_be(f"life {name}", step)
        strange = [value for value in found if int(value.split()[3]) not in lives]
        assert not strange, f"{name} in life {lives} holds {strange}"
        sent = [p.what for p in story.word.promises if p.what.startswith(f"record {name} ") and p.begun <= step]
        values = [f"record {name} {value.decode()}" for value in found]
        positions = [sent.index(value) for value in values]
        assert positions == sorted(set(positions)), f"{name}: {positions}"
        if all_written or name != PLAIN:
            safe = [
                promise.what
                for promise in story.word.promises
                if promise.what.startswith(f"record {name} ")
                and 0 <= promise.kept <= step
                and lives == [int(promise.what.split()[5])]
            ]
            lost = [what for what in safe if what not in values]
            was_deleted = False in story.word.may_be(f"topic {name}", step)
            assert was_deleted or not lost, f"lost: {lost}"


def _records(client: RawClient, name: str) -> list[bytes]:
    values: list[bytes] = []
    offset = 0
    while True:
        answer = client.fetch(fetch_request(name, offset=offset))
        assert answer.error_code == 0, f"{name}: {ErrorCode(answer.error_code).name}"
        data = bytes(answer.records or b"")
        if not data:
            assert answer.high_watermark == offset
            return values
        for at, header in read_headers(data):
            assert header.base_offset == offset, f"{name}: {header.base_offset} instead of {offset}"
            values += [record.value for record in read_records(data, at, header)]
            offset = header.next_offset


def _config(client: RawClient, name: str) -> int:
    resource = DescribeConfigsResource(resource_type=2, resource_name=name, configuration_keys=[CONFIG])
    answer = client.ask(DescribeConfigsRequest(resources=[resource]), DescribeConfigsResponse, 4)
    return int(answer.results[0].configs[0].value)


def _committed(client: RawClient) -> int:
    client.ask(FindCoordinatorRequest(key=GROUP), FindCoordinatorResponse, 3)
    topic = OffsetFetchRequestTopic(name=PLAIN, partition_indexes=[0])
    answer = client.ask(OffsetFetchRequest(group_id=GROUP, topics=[topic]), OffsetFetchResponse, 7)
    return answer.topics[0].partitions[0].committed_offset


def _write_one(client: RawClient, name: str) -> None:
    batch = build_batch([Record(0, time.time_ns() // 1_000_000, b"k", b"after")], base_offset=0)
    topic = TopicProduceData(name=name, partition_data=[PartitionProduceData(index=0, records=batch)])
    answer = client.ask(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic]), ProduceResponse, 9)
    code = answer.responses[0].partition_responses[0].error_code
    assert code == 0, f"{name} takes nothing any more: {ErrorCode(code).name}"
