"""A broker's data path on real logs in a real folder, time moved by hand; requests and answers go over the wire."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ottla.broker.coordinators.fetch_session import FetchSessionCache
from ottla.broker.coordinators.producer_ids import ProducerIds
from ottla.broker.handlers import fetch, produce
from ottla.broker.request import Deferred, RequestContext
from ottla.broker.runtime.long_poll import FetchPurgatory
from ottla.broker.runtime.transaction_coordinators import TransactionCoordinators
from ottla.broker.runtime.transaction_markers import TransactionMarkers
from ottla.broker.settings import transaction_settings
from ottla.protocol.compiler import decode, encode
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, ReplicaState
from ottla.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from ottla.protocol.records import Record, build_batch

from .connections import connection_info
from .group_broker import GroupBroker, arrived

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ottla.broker.services import Services
    from ottla.protocol.schema import Message

FIRST_TIMESTAMP = 1_700_000_000_000


def batch(
    count: int = 1, *, value: bytes = b"v", key: bytes | None = b"k", start_ms: int = FIRST_TIMESTAMP, **kw: Any
) -> bytes:
    """One batch as a producer sends it; its records are a millisecond apart."""
    records = [Record(offset, start_ms + offset, key, value) for offset in range(count)]
    return bytes(build_batch(records, base_offset=0, **kw))


class DataBroker(GroupBroker):
    """`produce` and `fetch` speak to the handlers; `closed` holds why connections were closed."""

    transaction_version = 2
    """What the cluster has finalized."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.closed: list[str] = []
        super().__init__(folder, *options)

    def run(self) -> None:
        super().run()
        numbers = itertools.count(1)
        self.fetches = FetchPurgatory(self.timers, self.clock)
        producer_ids = ProducerIds(self.metadata.allocate_producer_ids)
        self.markers = TransactionMarkers(self.groups, self.clock)
        self.transactions = TransactionCoordinators(
            partitions=self.partitions,
            markers=self.markers,
            clock=self.clock,
            timers=self.timers,
            settings=transaction_settings(self.config),
            new_producer_id=producer_ids.next_id,
            server_transaction_version=lambda: self.transaction_version,
            commits=self.commits,
        )
        self.metadata.listeners.append(self.transactions)
        self.transactions.start()
        slots = self.config.max_incremental_fetch_session_cache_slots
        self.data_services = replace(
            super().services(),
            fetches=self.fetches,
            fetch_sessions=FetchSessionCache(slots, lambda: next(numbers)),
            producer_ids=producer_ids,
            markers=self.markers,
            transactions=self.transactions,
        )

    def services(self) -> Services:
        return self.data_services

    def ask(self, handler: Any, request: Message, version: int, client_id: str | None = "test") -> Any:
        """The answer as it arrives at a client, a Deferred one, or None."""
        connection = connection_info(close=self.closed.append)
        kind = type(request)
        context = RequestContext(kind.api_key, version, 1, client_id, connection)
        received = decode(kind, bytearray(encode(request, version)), version)
        answer = handler.handle(received, context, self.services())
        return answer if isinstance(answer, Deferred) or answer is None else arrived(answer, version)

    def topic_id(self, topic: str) -> bytes:
        """The id of a topic; of one that is not there, one that no topic has."""
        image = self.metadata.image.topics_by_name.get(topic)
        return b"\x01" * 16 if image is None else image.topic_id

    def produce_all(
        self, topic: str, data: Sequence[tuple[int, bytes | None]], *, version: int = 9, acks: int = -1, **fields: Any
    ) -> list[PartitionProduceResponse] | None:
        """What each partition of one topic answers; None with acks=0."""
        names = {"topic_id": self.topic_id(topic)} if version >= 13 else {"name": topic}
        partitions = [PartitionProduceData(index=index, records=records) for index, records in data]
        request = ProduceRequest(
            acks=acks, timeout_ms=1000, topic_data=[TopicProduceData(partition_data=partitions, **names)], **fields
        )
        response = self.ask(produce, request, version)
        return None if response is None else response.responses[0].partition_responses

    def start_produce(
        self, topic: str, records: bytes | None = None, *, version: int = 9, **fields: Any
    ) -> Deferred[Any]:
        """The parked answer to a batch for the first partition of a topic, where something must be synced first."""
        data = [PartitionProduceData(index=0, records=batch() if records is None else records)]
        request = ProduceRequest(
            acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name=topic, partition_data=data)], **fields
        )
        answer = self.ask(produce, request, version)
        assert isinstance(answer, Deferred)
        return answer

    def produce(
        self, topic: str, records: bytes | None = None, *, partition: int = 0, **fields: Any
    ) -> PartitionProduceResponse:
        """What the partition answers to one batch, of one record if none is given."""
        answers = self.produce_all(topic, [(partition, batch() if records is None else records)], **fields)
        assert answers is not None
        return answers[0]

    def fetch(self, *topics: tuple[str, Sequence[dict[str, int]]], version: int = 12, **fields: Any) -> Any:
        """A FetchResponse, or a Deferred one. A partition is given by its fields; their defaults read it whole."""
        replica_id = fields.pop("replica_id", -1)
        if version >= 15:
            fields["replica_state"] = ReplicaState(replica_id=replica_id)
        else:
            fields["replica_id"] = replica_id
        request = FetchRequest(
            topics=[
                FetchTopic(
                    partitions=[FetchPartition(**{"partition_max_bytes": 1 << 20, **wanted}) for wanted in partitions],
                    **({"topic_id": self.topic_id(topic)} if version >= 13 else {"topic": topic}),
                )
                for topic, partitions in topics
            ],
            **{"max_wait_ms": 0, "min_bytes": 1, **fields},
        )
        return self.ask(fetch, request, version)


def told(response: FetchResponse | Deferred[FetchResponse]) -> list[tuple[int, int, int]]:
    """(partition, error, bytes of records) of a fetch that must be answered by now."""
    if isinstance(response, Deferred):
        response = arrived(response, 12)
    assert response is not None, "the fetch still waits"
    return [
        (data.partition_index, data.error_code, len(data.records or b""))
        for topic in response.responses
        for data in topic.partitions
    ]
