"""The requests of these tests, over the raw protocol: the same bytes to both brokers, in versions that both serve."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ottla.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ottla.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ottla.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.record_batch import CorruptBatch, read_headers
from ottla.protocol.records import Record, build_batch

from ..harness.raw_client import RawClient

READY_TIMEOUT_S = 60
NOT_YET = frozenset(
    {
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.CONCURRENT_TRANSACTIONS,
    }
)
"""What a broker answers that is still starting, or has not told all of its parts of a change."""
READ_UNCOMMITTED = 0
READ_COMMITTED = 1
GROUP, TRANSACTION = 0, 1
FETCH_BYTES_MAX = 1 << 22


class Producer(NamedTuple):
    """An idempotent or transactional producer, as its batches name it."""

    producer_id: int = -1
    epoch: int = -1


NOBODY = Producer()


def patiently(ask: Any, error_of: Any) -> Any:
    """The answer, once its error is none that passes."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        answer = ask()
        code = error_of(answer)
        if code not in NOT_YET:
            return answer
        assert time.monotonic() < deadline, f"still {ErrorCode(code).name} after {READY_TIMEOUT_S} s"
        time.sleep(0.1)


class Broker(RawClient):
    """One connection to the broker of a place."""

    def serves(self, api_key: int) -> bool:
        answer = self.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)
        return any(api.api_key == api_key for api in answer.api_keys)

    def produce(
        self,
        topic: str,
        records: list[Record],
        *,
        partition: int = 0,
        producer: Producer = NOBODY,
        sequence: int = -1,
        transactional_id: str | None = None,
        **batch: Any,
    ) -> Any:
        """Append one batch; the partition's answer, whatever it says."""
        data = build_batch(
            records,
            base_offset=0,
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            base_sequence=sequence,
            is_transactional=transactional_id is not None,
            **batch,
        )
        request = ProduceRequest(
            transactional_id=transactional_id,
            acks=-1,
            timeout_ms=30_000,
            topic_data=[
                TopicProduceData(
                    name=topic, partition_data=[PartitionProduceData(index=partition, records=bytes(data))]
                )
            ],
        )
        return patiently(
            lambda: self.ask(request, ProduceResponse, 9).responses[0].partition_responses[0],
            lambda answer: answer.error_code,
        )

    def append(self, topic: str, records: list[Record], **options: Any) -> int:
        """Append one batch that must be taken; its base offset."""
        answer = self.produce(topic, records, **options)
        assert answer.error_code == 0, (ErrorCode(answer.error_code).name, answer.error_message)
        return answer.base_offset

    def find_coordinator(self, key: str, key_type: int) -> None:
        """Ask who coordinates, as clients do first: the first answer is given when the internal topic is there."""
        request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
        answer = patiently(
            lambda: self.ask(request, FindCoordinatorResponse, 4).coordinators[0], lambda answer: answer.error_code
        )
        assert answer.error_code == 0, (key, ErrorCode(answer.error_code).name)

    def new_producer(self, transactional_id: str | None = None, timeout_ms: int = 600_000) -> Producer:
        if transactional_id is not None:
            self.find_coordinator(transactional_id, TRANSACTION)
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
        answer = patiently(lambda: self.ask(request, InitProducerIdResponse, 4), lambda answer: answer.error_code)
        assert answer.error_code == 0, ErrorCode(answer.error_code).name
        return Producer(answer.producer_id, answer.producer_epoch)

    def read(self, topic: str, partition: int, isolation: int = READ_UNCOMMITTED) -> tuple[list[bytes], list[Any]]:
        """Every batch of a partition, and the answers that held them."""
        batches: list[bytes] = []
        answers: list[Any] = []
        offset = self.offset_at(topic, partition, -2).offset
        while True:
            answer = self._fetch(topic, partition, offset, isolation)
            answers.append(answer)
            found = whole_batches(bytes(answer.records or b""))
            if not found:
                return batches, answers
            batches += [data for data, _ in found]
            offset = found[-1][1].next_offset

    def _fetch(self, topic: str, partition: int, offset: int, isolation: int) -> Any:
        wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=FETCH_BYTES_MAX)
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=FETCH_BYTES_MAX,
            isolation_level=isolation,
            topics=[FetchTopic(topic=topic, partitions=[wanted])],
        )
        answer = patiently(
            lambda: self.ask(request, FetchResponse, 12).responses[0].partitions[0], lambda answer: answer.error_code
        )
        assert answer.error_code == 0, (topic, partition, offset, ErrorCode(answer.error_code).name)
        return answer

    def offset_at(self, topic: str, partition: int, timestamp: int, isolation: int = READ_UNCOMMITTED) -> Any:
        """ListOffsets of one partition: -1 latest, -2 earliest, -3 of the largest timestamp, else a time."""
        wanted = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
        request = ListOffsetsRequest(
            replica_id=-1,
            isolation_level=isolation,
            topics=[ListOffsetsTopic(name=topic, partitions=[wanted])],
        )
        answer = patiently(
            lambda: self.ask(request, ListOffsetsResponse, 7).topics[0].partitions[0], lambda answer: answer.error_code
        )
        assert answer.error_code == 0, (topic, partition, timestamp, ErrorCode(answer.error_code).name)
        return answer

    def end_of_epoch(self, topic: str, partition: int, epoch: int) -> tuple[int, int]:
        wanted = OffsetForLeaderPartition(partition=partition, leader_epoch=epoch)
        request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic=topic, partitions=[wanted])])
        answer = self.ask(request, OffsetForLeaderEpochResponse, 4).topics[0].partitions[0]
        assert answer.error_code == 0, (topic, partition, epoch, ErrorCode(answer.error_code).name)
        return answer.leader_epoch, answer.end_offset

    def configs(self, resource_type: int, name: str, source: int) -> dict[str, str | None]:
        """The configs of a resource that come from one source (`ConfigEntry.ConfigSource`)."""
        wanted = DescribeConfigsResource(resource_type=resource_type, resource_name=name, configuration_keys=None)
        request = DescribeConfigsRequest(resources=[wanted])
        until = time.monotonic() + READY_TIMEOUT_S
        while True:
            answer = self.ask(request, DescribeConfigsResponse, 4).results[0]
            # What Kafka's controller has made, its broker may not have seen.
            if answer.error_code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION or time.monotonic() > until:
                break
        assert answer.error_code == 0, (resource_type, name, ErrorCode(answer.error_code).name, answer.error_message)
        return {config.name: config.value for config in answer.configs if config.config_source == source}


def whole_batches(data: bytes) -> list[tuple[bytes, Any]]:
    """The batches that are there to their last byte."""
    found = []
    try:
        for position, header in read_headers(data):
            found.append((data[position : position + header.size_bytes], header))
    except CorruptBatch:
        pass  # a fetch may end inside a batch
    return found
