"""Metadata 0-13: the brokers, the topics and who leads them.

- No list of topics (v0: an empty one) means all; an empty list means none.
- A topic that is not there is created on first use when both the request and `auto.create.topics.enable` allow it. It
  is usable in this same answer; Kafka answers UNKNOWN_TOPIC_OR_PARTITION the first time and has it the next.
- A topic asked for twice is answered once. As soon as one topic is asked for by id, those asked for by name are not
  answered.

Version notes: 1 rack, controller, internal topics; 2 cluster id; 4 asks before creating; 5 offline replicas;
7 leader epochs; 8 authorized operations (KIP-430), those of the cluster up to 10 only; 10 topic ids in the answer
(KIP-516), 12 also in the request; 13 an error for the whole answer (KIP-1102), set where the request cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from ...protocol.primitives import ZERO_UUID
from ..metadata.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED_FOR, TOPIC_OPERATIONS
from ..metadata.endpoints import endpoint_for
from ..metadata.partition_image import NO_LEADER
from ..metadata.topic_names import CLUSTER_METADATA_TOPIC, is_internal, problem_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
    from ..metadata.image import MetadataImage
    from ..metadata.partition_image import PartitionImage, TopicImage
    from ..metadata.refusal import Refused
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_IDS_ASKED_FOR = 12


def handle(request: MetadataRequest, context: RequestContext, services: Services) -> MetadataResponse:
    """Answer from the image, creating what is missing where that is allowed."""
    asked = request.topics
    if asked is not None:
        error = _unreadable_topics(asked, context.api_version)
        if error is not None:
            return MetadataResponse(topics=[_refused(topic, error) for topic in asked], error_code=error)
    image = services.metadata.image
    address = endpoint_for(context, services.config)
    brokers = [
        MetadataResponseBroker(
            node_id=image.node_id, host=address.host, port=address.port, rack=services.config.broker_rack
        )
    ]
    topics = _topics(request, context.api_version, services)
    if request.include_topic_authorized_operations:
        for topic in topics:
            if topic.error_code == ErrorCode.NONE:
                topic.topic_authorized_operations = TOPIC_OPERATIONS
    with_operations = request.include_cluster_authorized_operations
    return MetadataResponse(
        brokers=brokers,
        cluster_id=image.cluster_id,
        controller_id=image.node_id,
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS if with_operations else NOT_ASKED_FOR,
    )


def _unreadable_topics(asked: list[MetadataRequestTopic], api_version: int) -> ErrorCode | None:
    """The error for requests that Kafka refuses whole: ids before version 12, topics with neither name nor id."""
    if api_version < _FIRST_VERSION_WITH_IDS_ASKED_FOR:
        if any(topic.name is None or topic.topic_id != ZERO_UUID for topic in asked):
            return ErrorCode.INVALID_REQUEST
    elif any(topic.name is None and topic.topic_id == ZERO_UUID for topic in asked):
        return ErrorCode.UNKNOWN_SERVER_ERROR
    return None


def _refused(topic: MetadataRequestTopic, error: ErrorCode) -> MetadataResponseTopic:
    return MetadataResponseTopic(error_code=error, name=topic.name or "", topic_id=topic.topic_id)


def _topics(request: MetadataRequest, api_version: int, services: Services) -> list[MetadataResponseTopic]:
    asked = request.topics
    image = services.metadata.image
    if asked is None or (api_version == 0 and not asked):
        return [_shape(topic, image.node_id) for topic in image.topics_by_name.values()]
    ids = [topic.topic_id for topic in asked if topic.topic_id != ZERO_UUID]
    if ids:
        return [_by_id(topic_id, services) for topic_id in dict.fromkeys(ids)]
    names = list(dict.fromkeys(topic.name or "" for topic in asked))
    refused: dict[str, Refused] = {}
    if request.allow_auto_topic_creation and services.config.auto_create_topics_enable:
        refused = services.metadata.auto_create_topics([name for name in names if _can_be_created(name, image)])
    return [_by_name(name, image, refused) for name in names]


def _can_be_created(name: str, image: MetadataImage) -> bool:
    return name not in image.topics_by_name and name != CLUSTER_METADATA_TOPIC and problem_with(name) is None


def _by_id(topic_id: bytes, services: Services) -> MetadataResponseTopic:
    image = services.metadata.image
    topic = image.topics_by_id.get(topic_id)
    if topic is None:
        return MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id)
    return _shape(topic, image.node_id)


def _by_name(name: str, image: MetadataImage, refused: Mapping[str, Refused]) -> MetadataResponseTopic:
    topic = image.topics_by_name.get(name)
    if topic is not None:
        return _shape(topic, image.node_id)
    error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if name in refused:
        error = refused[name].code
    elif problem_with(name) is not None:
        error = ErrorCode.INVALID_TOPIC_EXCEPTION
    return MetadataResponseTopic(error_code=error, name=name, is_internal=is_internal(name))


def _shape(topic: TopicImage, node_id: int) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=is_internal(topic.name),
        partitions=[_shape_partition(partition, node_id) for partition in topic.partitions],
    )


def _shape_partition(partition: PartitionImage, node_id: int) -> MetadataResponsePartition:
    led = partition.leader == node_id
    return MetadataResponsePartition(
        error_code=ErrorCode.NONE if led else ErrorCode.LEADER_NOT_AVAILABLE,
        partition_index=partition.index,
        leader_id=partition.leader if led else NO_LEADER,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        offline_replicas=[replica for replica in partition.replicas if replica != node_id],
    )
