"""Somebody who creates, changes and deletes topics beside the others, and knows which of it was acknowledged."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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
from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.record_batch import read_headers
from ottla.protocol.records import Record, build_batch, read_records

from ..harness.raw_client import fetch_request
from .gate import Actor, Gate

if TYPE_CHECKING:
    from ..harness.raw_client import RawClient

TOPIC = 2
CONFIG = "max.message.bytes"
FIRST_CONFIG_VALUE = 100_000
LONGEST_PAUSE_S = 0.1
NAMES = [f"side-{number}" for number in range(6)]


@dataclass(frozen=True)
class SideTopic:
    """A topic as it may be now: not there with 0 partitions. `life` says which topic of that name it is."""

    partitions: int = 0
    config_value: int = 0
    life: int = 0
    has_record: bool = False


ABSENT = SideTopic()


class TopicChanger(Actor):
    """Each topic is in one of the states that it may be in: one, or two while an answer is missing."""

    def __init__(self, gate: Gate, name: str, seed: int) -> None:
        super().__init__(name, gate)
        self._random = random.Random(seed)
        self.lives = 0
        self.may_be: dict[str, set[SideTopic]] = {topic: {ABSENT} for topic in NAMES}

    def step(self) -> None:
        time.sleep(self._random.uniform(0, LONGEST_PAUSE_S))
        name = self._random.choice(NAMES)
        states = self.may_be[name]
        if len(states) > 1:
            self._find_out(name)
            return
        (state,) = states
        if not state.partitions:
            self._create(name)
            return
        self._random.choice([self._alter, self._write, self._delete])(name, state)

    def _create(self, name: str) -> None:
        self.lives += 1
        created = SideTopic(self._random.randint(1, 3), FIRST_CONFIG_VALUE, self.lives)
        self.may_be[name] = {ABSENT, created}
        topic = CreatableTopic(
            name=name,
            num_partitions=created.partitions,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=CONFIG, value=str(FIRST_CONFIG_VALUE))],
        )
        response = self.link.ask(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7)
        self._settle(name, response.topics[0].error_code, created)

    def _alter(self, name: str, state: SideTopic) -> None:
        altered = replace(state, config_value=state.config_value + 1)
        self.may_be[name] = {state, altered}
        config = AlterableConfig(name=CONFIG, config_operation=0, value=str(altered.config_value))
        resource = AlterConfigsResource(resource_type=TOPIC, resource_name=name, configs=[config])
        request = IncrementalAlterConfigsRequest(resources=[resource])
        response = self.link.ask(request, IncrementalAlterConfigsResponse, 1)
        self._settle(name, response.responses[0].error_code, altered)

    def _write(self, name: str, state: SideTopic) -> None:
        written = replace(state, has_record=True)
        self.may_be[name] = {state, written}
        batch = build_batch([Record(0, time.time_ns() // 1_000_000, None, b"life %d" % state.life)], base_offset=0)
        topic = TopicProduceData(name=name, partition_data=[PartitionProduceData(index=0, records=batch)])
        request = ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[topic])
        response = self.link.ask(request, ProduceResponse, 9)
        self._settle(name, response.responses[0].partition_responses[0].error_code, written)

    def _delete(self, name: str, state: SideTopic) -> None:
        self.may_be[name] = {state, ABSENT}
        response = self.link.ask(DeleteTopicsRequest(topic_names=[name], timeout_ms=10_000), DeleteTopicsResponse, 5)
        self._settle(name, response.responses[0].error_code, ABSENT)

    def _settle(self, name: str, error_code: int, state: SideTopic) -> None:
        assert error_code == 0, f"{name} becoming {state}: {ErrorCode(error_code).name}"
        self.may_be[name] = {state}

    def _find_out(self, name: str) -> None:
        found = self.link.use(lambda client: observe(client, name, self.may_be[name]))
        self.may_be[name] = {found}

    def check_with(self, client: RawClient) -> None:
        """Every topic is as it may be; call it while this thread is at rest."""
        self.check()
        for name in NAMES:
            self.may_be[name] = {observe(client, name, self.may_be[name])}


def observe(client: RawClient, name: str, may_be: set[SideTopic]) -> SideTopic:
    """The one of `may_be` that the broker shows."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
    topic = client.ask(request, MetadataResponse, 12).topics[0]
    if topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        assert ABSENT in may_be, f"{name} is gone; it should be one of {may_be}"
        return ABSENT
    assert topic.error_code == 0, ErrorCode(topic.error_code).name
    assert all(partition.error_code == 0 for partition in topic.partitions), f"{name}: {topic.partitions}"
    value = _config_value(client, name)
    records = _records(client, name)
    lives = {state.life for state in may_be if state.partitions}
    assert lives, f"{name} was deleted and is there"
    (life,) = lives
    assert set(records) <= {b"life %d" % life}, f"{name} holds {records}, this is its life {life}"
    found = SideTopic(len(topic.partitions), value, life, bool(records))
    assert found in may_be, f"{name} is {found}, not one of {may_be}"
    return found


def _config_value(client: RawClient, name: str) -> int:
    resource = DescribeConfigsResource(resource_type=TOPIC, resource_name=name, configuration_keys=[CONFIG])
    response = client.ask(DescribeConfigsRequest(resources=[resource]), DescribeConfigsResponse, 4)
    return int(response.results[0].configs[0].value)


def _records(client: RawClient, name: str) -> list[bytes]:
    data = bytes(client.fetch(fetch_request(name)).records or b"")
    return [record.value for at, header in read_headers(data) for record in read_records(data, at, header)]
