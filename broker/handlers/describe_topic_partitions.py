"""DescribeTopicPartitions 0: topics and their partitions, page by page, in the order of names (KIP-966).

- No topics asked for means all. A page holds at most `response_partition_limit` partitions, and never more than
  `max.request.partition.size.limit`; the cursor of the answer is where the next page begins.
- A cursor whose topic is not among those asked for is refused; its topic may be gone when all are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
    ResponseCursor,
)
from ..metadata.authorized_operations import TOPIC_OPERATIONS
from ..metadata.partition_image import NO_LEADER
from ..metadata.topic_names import is_internal, problem_with

if TYPE_CHECKING:
    from ...protocol.messages.describe_topic_partitions import Cursor, DescribeTopicPartitionsRequest
    from ..metadata.image import MetadataImage
    from ..metadata.partition_image import PartitionImage, TopicImage
    from ..request import RequestContext
    from ..services import Services


def handle(
    request: DescribeTopicPartitionsRequest, context: RequestContext, services: Services
) -> DescribeTopicPartitionsResponse:
    """Fill one page."""
    image = services.metadata.image
    names = [topic.name for topic in request.topics]
    error = _error_of(names, request.cursor)
    if error is not None:
        return DescribeTopicPartitionsResponse(
            topics=[DescribeTopicPartitionsResponseTopic(error_code=error, name=name) for name in names]
        )
    cursor = request.cursor
    remaining = sorted(set(names or image.topics_by_name))
    if cursor is not None:
        remaining = [name for name in remaining if name >= cursor.topic_name]
    limit = max(min(request.response_partition_limit, services.config.max_request_partition_size_limit), 1)
    return _page(remaining, cursor, limit, image)


def _error_of(names: list[str], cursor: Cursor | None) -> ErrorCode | None:
    """The error for requests that Kafka refuses whole."""
    if "" in names:
        return ErrorCode.UNKNOWN_SERVER_ERROR
    if cursor is not None and (cursor.partition_index < 0 or (names and cursor.topic_name not in names)):
        return ErrorCode.INVALID_REQUEST
    return None


def _page(names: list[str], cursor: Cursor | None, limit: int, image: MetadataImage) -> DescribeTopicPartitionsResponse:
    response = DescribeTopicPartitionsResponse()
    for name in names:
        if limit <= 0:
            response.next_cursor = ResponseCursor(topic_name=name, partition_index=0)
            break
        topic = image.topics_by_name.get(name)
        if topic is None:
            response.topics.append(_unknown(name))
            continue
        first = cursor.partition_index if cursor is not None and cursor.topic_name == name else 0
        shown = topic.partitions[first : first + limit]
        response.topics.append(_shape(topic, shown, image.node_id))
        limit -= len(shown)
        if first + len(shown) < len(topic.partitions):
            response.next_cursor = ResponseCursor(topic_name=name, partition_index=first + len(shown))
            break
    return response


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    illegal = problem_with(name) is not None
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.INVALID_TOPIC_EXCEPTION if illegal else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        name=name,
        is_internal=is_internal(name),
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _shape(topic: TopicImage, partitions: list[PartitionImage], node_id: int) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=is_internal(topic.name),
        partitions=[_shape_partition(partition, node_id) for partition in partitions],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _shape_partition(partition: PartitionImage, node_id: int) -> DescribeTopicPartitionsResponsePartition:
    led = partition.leader == node_id
    return DescribeTopicPartitionsResponsePartition(
        error_code=ErrorCode.NONE if led else ErrorCode.LEADER_NOT_AVAILABLE,
        partition_index=partition.index,
        leader_id=partition.leader if led else NO_LEADER,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        eligible_leader_replicas=list(partition.eligible_leader_replicas),
        last_known_elr=list(partition.last_known_elr),
        offline_replicas=[replica for replica in partition.replicas if replica != node_id],
    )
