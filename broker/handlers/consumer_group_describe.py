"""ConsumerGroupDescribe 0-1: consumer groups with their members, what these have and what they are to have (KIP-848).

Version notes: 1 tells which protocol a member speaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.consumer_group_describe import (
    Assignment,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    Member,
    TopicPartitions,
)
from ..coordinators.group_refusal import GroupRefusal
from ..metadata.authorized_operations import GROUP_OPERATIONS, NOT_ASKED_FOR

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ...protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
    from ..coordinators.consumer_group import ConsumerGroup
    from ..coordinators.consumer_member import ConsumerMember
    from ..metadata.image import MetadataImage
    from ..request import RequestContext
    from ..services import Services

_CLASSIC_MEMBER = 0
_CONSUMER_MEMBER = 1


def handle(
    request: ConsumerGroupDescribeRequest, context: RequestContext, services: Services
) -> ConsumerGroupDescribeResponse:
    """Describe every group that is named."""
    if not services.groups.serves_consumer_groups:
        refused = [
            DescribedGroup(group_id=group_id, error_code=ErrorCode.UNSUPPORTED_VERSION)
            for group_id in request.group_ids
        ]
        return ConsumerGroupDescribeResponse(groups=refused)
    described = [_describe(group_id, services) for group_id in request.group_ids]
    for group in described:
        asked = request.include_authorized_operations and group.error_code == ErrorCode.NONE
        group.authorized_operations = GROUP_OPERATIONS if asked else NOT_ASKED_FOR
    return ConsumerGroupDescribeResponse(groups=described)


def _describe(group_id: str, services: Services) -> DescribedGroup:
    if not group_id:
        return DescribedGroup(group_id="", error_code=ErrorCode.INVALID_GROUP_ID)
    shard = services.groups.shard_of(group_id)
    if shard is None:
        return DescribedGroup(group_id=group_id, error_code=ErrorCode.NOT_COORDINATOR)
    try:
        group = shard.context.consumer_group(group_id)
    except GroupRefusal as refusal:
        return DescribedGroup(group_id=group_id, error_code=refusal.code, error_message=refusal.message)
    image = services.metadata.image
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        group_epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.preferred_assignor(None, None) or services.config.group_consumer_assignors[0],
        members=[_member(group, member, image) for member in group.members.values()],
    )


def _member(group: ConsumerGroup, member: ConsumerMember, image: MetadataImage) -> Member:
    owned: dict[bytes, list[int]] = {}
    for partitions in (member.assigned, member.revoking):
        # What it must give up it still reads, until it says that it does not.
        for topic_id, epochs in partitions.items():
            owned.setdefault(topic_id, []).extend(epochs)
    return Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        subscribed_topic_regex=member.topic_regex,
        assignment=_assignment(owned, image),
        target_assignment=_assignment(group.targets.get(member.member_id, {}), image),
        member_type=_CLASSIC_MEMBER if member.is_classic else _CONSUMER_MEMBER,
    )


def _assignment(assignment: Mapping[bytes, Collection[int]], image: MetadataImage) -> Assignment:
    return Assignment(
        topic_partitions=[
            TopicPartitions(
                topic_id=topic_id,
                topic_name=image.topics_by_id[topic_id].name,
                partitions=sorted(partitions),
            )
            for topic_id, partitions in assignment.items()
            if topic_id in image.topics_by_id
        ]
    )
