"""One broker as a case sees it: names of its own, and the things that are there before the first request.

What a world prepares is no part of the transcript. It waits until the broker has caught up with it, since Apache
Kafka answers some requests before all of it knows what they changed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from ottla.protocol.records import Record, build_batch
from ottla.protocol.schema import Message, Struct

from ..wire import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..brokers import Broker

READY_TIMEOUT_S = 20
NOW_MS = int(time.time() * 1000)
"""The time of records that do not say another."""
SUITE = "compat-"
"""How every name that the suite makes begins."""
UNKNOWN_ID = b"\x11" * 16
GROUP, TRANSACTION = 0, 1
MOMENTARY = frozenset(
    {
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.CONCURRENT_TRANSACTIONS,
    }
)
"""What a client answers by asking again."""
_FIRST_POLL_S = 0.005
_POLL_S_MAX = 0.1


class NeverTrue(AssertionError):
    """What a case waits for did not come in time."""


class Topic(NamedTuple):
    """A topic that is there, by both its names."""

    name: str
    id: bytes


class Producer(NamedTuple):
    """An idempotent or transactional producer."""

    id: int
    epoch: int


class World:
    """What a case works with; `version` is the one under test."""

    def __init__(
        self,
        broker: Broker,
        highest: dict[int, int],
        prefix: str,
        version: int,
        patience_s: float = READY_TIMEOUT_S,
    ) -> None:
        self.broker = broker
        self.version = version
        self.prefix = prefix
        self.ids: dict[bytes, str] = {}
        self._highest = highest
        self._patience_s = patience_s
        self._connections: dict[str, Connection] = {}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def connection(self, name: str = "") -> Connection:
        """The case's connection, or another by its name."""
        if name not in self._connections:
            self._connections[name] = Connection(self.broker.bootstrap_servers)
        return self._connections[name]

    # Names

    def name(self, label: str) -> str:
        """A name that no other case, version or run uses; a topic's, a group's, a transactional id's."""
        return f"{self.prefix}{label}"

    # Things that are there

    def ask(self, request: Message, version: int | None = None) -> Any:
        """Send a request that is no part of the transcript, in its highest version."""
        if version is None:
            version = self._highest[request.api_key]
        return self.connection("preparation").ask(request, version)

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """Look until it is true; return what it was then."""
        deadline = time.monotonic() + self._patience_s
        pause_s = _FIRST_POLL_S
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                raise NeverTrue(f"{what}: that does not come true")
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _POLL_S_MAX)

    def topic(self, label: str = "t", partitions: int = 1, **configs: str) -> Topic:
        """Make a topic, and wait until its partitions have leaders; in configs' names _ stands for a dot."""
        name = self.name(label)
        wanted = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()]
        topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=wanted)
        [made] = self.ask(CreateTopicsRequest(topics=[topic], timeout_ms=30_000)).topics
        assert made.error_code == 0, f"{name} could not be made: {made}"
        self.ids[made.topic_id] = label
        self.await_leaders(name, partitions)
        return Topic(name, made.topic_id)

    def known_topic(self, label: str = "t", partitions: int = 1) -> Topic:
        """A topic that group coordinators know too: Apache Kafka's hear of it last."""
        topic = self.topic(label, partitions)
        self.settle()
        return topic

    def await_leaders(self, name: str, partitions: int = 1) -> None:
        """Wait until every partition of a topic answers."""
        wanted = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(partitions)]
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=wanted)])
        self.until(
            lambda: all(found.error_code == 0 for found in self.ask(request).topics[0].partitions),
            f"{name} is there",
        )

    def topic_at(self, label: str) -> Topic | None:
        """The topic of that label as Metadata has it now."""
        wanted = [MetadataRequestTopic(name=self.name(label))]
        [found] = self.ask(MetadataRequest(topics=wanted, allow_auto_topic_creation=False)).topics
        if found.error_code:
            return None
        self.ids.setdefault(found.topic_id, label)
        return Topic(self.name(label), found.topic_id)

    def delete(self, topic: Topic) -> None:
        """Delete a topic, and wait until it is gone."""
        self.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name=topic.name)], timeout_ms=30_000))
        self.settle()

    def settle(self) -> None:
        """Wait until the broker has caught up with all changes of its metadata.

        Ottla has when it answers. Another broker is given two changes more: when it shows the second, it has done
        with the first and all before.
        """
        if self.broker.kind == "ottla":
            return
        for number in range(2):
            name = f"{self.prefix}settle-{number}-{time.monotonic_ns()}"
            self.ask(CreateTopicsRequest(topics=[CreatableTopic(name=name, num_partitions=1, replication_factor=1)]))
            self.await_leaders(name)

    def produce(self, topic: Topic, *values: bytes | None, partition: int = 0, **said: Any) -> int:
        """Append a batch of these values; returns its base offset."""
        [answer] = self.ask(produce_request(topic, batch(*values, **said), partition=partition)).responses
        [appended] = answer.partition_responses
        assert appended.error_code == 0, appended
        return appended.base_offset

    def group(self, label: str = "g") -> str:
        """The name of a group whose coordinator is ready; the group itself is not there."""
        return self._coordinated(GROUP, self.name(label))

    def transactional_id(self, label: str = "x") -> str:
        """A transactional id whose coordinator is ready; nobody has used it."""
        return self._coordinated(TRANSACTION, self.name(label))

    def _coordinated(self, key_type: int, key: str) -> str:
        request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
        self.until(lambda: self.ask(request).coordinators[0].error_code == 0, f"the coordinator of {key} is there")
        return key

    def producer(self, transactional_id: str | None = None, timeout_ms: int = 60_000) -> Producer:
        """A producer id, new or the next epoch of a transactional id's."""
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
        answer = self.until(
            lambda: (found := self.ask(request)).error_code not in MOMENTARY and found, "there is a producer id"
        )
        assert answer.error_code == 0, answer
        return Producer(answer.producer_id, answer.producer_epoch)


def batch(
    *values: bytes | None,
    key: bytes | None = None,
    producer: Producer | None = None,
    sequence: int = 0,
    timestamp: int | None = None,
    base_offset: int = 0,
    **said: Any,
) -> bytearray:
    """A batch of records with these values, and one key for all."""
    if producer is not None:
        said |= {"producer_id": producer.id, "producer_epoch": producer.epoch, "base_sequence": sequence}
    at = NOW_MS if timestamp is None else timestamp
    records = [Record(base_offset + index, at, key, value) for index, value in enumerate(values)]
    return build_batch(records, base_offset=base_offset, **said)


def produce_request(
    topic: Topic, records: bytes | bytearray | None, *, partition: int = 0, acks: int = -1, **said: Any
) -> ProduceRequest:
    """A Produce of one batch to one partition."""
    data = PartitionProduceData(index=partition, records=records)
    return ProduceRequest(
        acks=acks,
        timeout_ms=30_000,
        topic_data=[TopicProduceData(name=topic.name, topic_id=topic.id, partition_data=[data])],
        **said,
    )


def codes_in(answer: Any) -> set[int]:
    """Every error code anywhere in an answer."""
    if isinstance(answer, list):
        return set().union(*map(codes_in, answer)) if answer and isinstance(answer[0], Struct) else set()
    if not isinstance(answer, Struct):
        return set()
    found = set()
    for field in answer.fields:
        value = getattr(answer, field.name)
        found |= {value} if field.name.endswith("error_code") else codes_in(value)
    return found
