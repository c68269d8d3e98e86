"""DescribeQuorum 0-2: the metadata's quorum, of which this broker's own controller is the leader and the one voter.

Kafka answers when the request is about partition 0 of `__cluster_metadata` and about nothing else.

Version notes: 1 tells when replicas fetched (KIP-836), 2 has directory ids and the voters' endpoints (KIP-853).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_quorum import (
    DescribeQuorumResponse,
    Listener,
    Node,
    ReplicaState,
    ResponsePartitionData,
    ResponseTopicData,
)
from ...protocol.primitives import ZERO_UUID
from ..metadata.refusal import UNKNOWN_TOPIC_OR_PARTITION_MESSAGE
from ..metadata.topic_names import CLUSTER_METADATA_TOPIC

if TYPE_CHECKING:
    from ...protocol.messages.describe_quorum import DescribeQuorumRequest
    from ..metadata.quorum_view import QuorumView
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_DIRECTORIES: Final = 2


def handle(request: DescribeQuorumRequest, context: RequestContext, services: Services) -> DescribeQuorumResponse:
    """Describe the quorum, or say of each partition that it is none."""
    asked = [(topic.topic_name, [each.partition_index for each in topic.partitions]) for topic in request.topics]
    if asked != [(CLUSTER_METADATA_TOPIC, [0])]:
        return DescribeQuorumResponse(
            topics=[
                ResponseTopicData(topic_name=name, partitions=[_unknown(index) for index in indexes])
                for name, indexes in asked
            ]
        )
    view = services.metadata.quorum()
    with_directories = context.api_version >= _FIRST_VERSION_WITH_DIRECTORIES
    partition = _described(view, services.clock.now_ms(), with_directories=with_directories)
    return DescribeQuorumResponse(
        topics=[ResponseTopicData(topic_name=CLUSTER_METADATA_TOPIC, partitions=[partition])],
        nodes=_nodes(view) if with_directories else [],
    )


def _nodes(view: QuorumView) -> list[Node]:
    return [
        Node(
            node_id=voter.node_id,
            listeners=[Listener(name=each.name, host=each.host, port=each.port) for each in voter.endpoints],
        )
        for voter in view.voters
    ]


def _described(view: QuorumView, now_ms: int, *, with_directories: bool) -> ResponsePartitionData:
    return ResponsePartitionData(
        leader_id=view.leader_id,
        leader_epoch=view.leader_epoch,
        high_watermark=view.high_watermark,
        current_voters=[
            ReplicaState(
                replica_id=voter.node_id,
                replica_directory_id=voter.directory_id if with_directories else ZERO_UUID,
                log_end_offset=view.log_end_offset,
                last_fetch_timestamp=now_ms,
                last_caught_up_timestamp=now_ms,
            )
            for voter in view.voters
        ],
    )


def _unknown(index: int) -> ResponsePartitionData:
    return ResponsePartitionData(
        partition_index=index,
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        error_message=UNKNOWN_TOPIC_OR_PARTITION_MESSAGE,
    )
