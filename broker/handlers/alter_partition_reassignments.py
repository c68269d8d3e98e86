"""AlterPartitionReassignments 0-1: move partitions to other brokers, or stop that.

With one broker the only place that a partition can go to is where it is: that is granted and changes nothing, any other
is refused as Kafka refuses brokers that it does not know, and there is never a move to be stopped.

Version notes: 1 can forbid that the number of replicas changes (KIP-860), which it never does here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from ..metadata.placement import check_manual_replicas
from ..metadata.refusal import Refused

if TYPE_CHECKING:
    from ...protocol.messages.alter_partition_reassignments import (
        AlterPartitionReassignmentsRequest,
        ReassignablePartition,
    )
    from ..metadata.image import MetadataImage
    from ..request import RequestContext
    from ..services import Services


def handle(
    request: AlterPartitionReassignmentsRequest, context: RequestContext, services: Services
) -> AlterPartitionReassignmentsResponse:
    """Answer every partition in the order of the request."""
    if not request.topics:
        return AlterPartitionReassignmentsResponse()  # Kafka does not look at anything else then
    image = services.metadata.image
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_message=None,
        responses=[
            ReassignableTopicResponse(
                name=topic.name, partitions=[_partition(topic.name, wanted, image) for wanted in topic.partitions]
            )
            for topic in request.topics
        ],
    )


def _partition(topic: str, wanted: ReassignablePartition, image: MetadataImage) -> ReassignablePartitionResponse:
    answer = ReassignablePartitionResponse(partition_index=wanted.partition_index, error_message=None)
    try:
        _check(topic, wanted, image)
    except Refused as refusal:
        answer.error_code = refusal.code
        answer.error_message = refusal.message
    return answer


def _check(topic: str, wanted: ReassignablePartition, image: MetadataImage) -> None:
    found = image.topics_by_name.get(topic)
    if found is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find a topic named {topic}.")
    if not 0 <= wanted.partition_index < len(found.partitions):
        raise Refused(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition {topic}:{wanted.partition_index}."
        )
    if wanted.replicas is None:
        raise Refused(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, None)
    check_manual_replicas(image, wanted.replicas, None)
