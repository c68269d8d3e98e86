"""OffsetDelete 0: forget a group's offsets of some partitions.

Offsets of a topic that a member reads are not deleted: GROUP_SUBSCRIBED_TO_TOPIC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_delete import (
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

if TYPE_CHECKING:
    from ...protocol.messages.offset_delete import OffsetDeleteRequest
    from ..request import RequestContext
    from ..runtime.group_coordinators import GroupCoordinators
    from ..services import Services


def handle(request: OffsetDeleteRequest, context: RequestContext, services: Services) -> OffsetDeleteResponse:
    """Delete what may be deleted; an error of the group as a whole stands alone."""
    groups = services.groups
    code = _check(request.group_id, groups)
    if code is not ErrorCode.NONE:
        return OffsetDeleteResponse(error_code=code)
    topics = []
    for topic in request.topics:
        partitions = []
        for wanted in topic.partitions:
            if services.partitions.get(topic.name, wanted.partition_index) is None:
                code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                code = _delete(request.group_id, topic.name, wanted.partition_index, groups)
            partitions.append(OffsetDeleteResponsePartition(partition_index=wanted.partition_index, error_code=code))
        topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=partitions))
    return OffsetDeleteResponse(topics=topics)


def _check(group_id: str, groups: GroupCoordinators) -> ErrorCode:
    if not group_id:
        return ErrorCode.INVALID_GROUP_ID
    shard = groups.shard_of(group_id)
    return ErrorCode.NOT_COORDINATOR if shard is None else shard.check_offset_delete(group_id)


def _delete(group_id: str, topic: str, partition: int, groups: GroupCoordinators) -> ErrorCode:
    hosted = groups.hosting(group_id)
    if hosted is None:
        return ErrorCode.NOT_COORDINATOR
    decision = hosted.shard.delete_offset(group_id, topic, partition)
    return decision.code or groups.write(hosted, decision.records)
