"""DescribeProducers 0: what partitions know of their producers, and which transactions are open in them (KIP-664)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_producers import (
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)
from ..metadata.refusal import UNKNOWN_TOPIC_OR_PARTITION_MESSAGE
from ..metadata.topic_names import problem_with

if TYPE_CHECKING:
    from ...protocol.messages.describe_producers import DescribeProducersRequest
    from ...storage.producer_state import ProducerEntry
    from ..request import RequestContext
    from ..services import Services


def handle(request: DescribeProducersRequest, context: RequestContext, services: Services) -> DescribeProducersResponse:
    """Answer every partition."""
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_partition(topic.name, index, services) for index in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _partition(topic: str, index: int, services: Services) -> PartitionResponse:
    problem = problem_with(topic)
    if problem is not None:
        return PartitionResponse(
            partition_index=index, error_code=ErrorCode.INVALID_TOPIC_EXCEPTION, error_message=problem
        )
    if topic not in services.metadata.image.topics_by_name:
        return PartitionResponse(
            partition_index=index,
            error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            error_message=UNKNOWN_TOPIC_OR_PARTITION_MESSAGE,
        )
    partition = services.partitions.get(topic, index)
    if partition is None:
        return PartitionResponse(partition_index=index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if partition.offline_reason is not None:
        return PartitionResponse(partition_index=index, error_code=ErrorCode.KAFKA_STORAGE_ERROR)
    producers = [_producer(entry) for entry in partition.log.producers.entries.values()]
    return PartitionResponse(partition_index=index, active_producers=producers)


def _producer(entry: ProducerEntry) -> ProducerState:
    return ProducerState(
        producer_id=entry.producer_id,
        producer_epoch=entry.epoch,
        last_sequence=entry.last_sequence,
        last_timestamp=entry.last_timestamp,
        coordinator_epoch=entry.coordinator_epoch,
        current_txn_start_offset=entry.txn_first_offset,
    )
