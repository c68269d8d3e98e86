"""DescribeGroups 0-6: classic groups with their members.

Members' metadata and assignments are shown while the group is stable. A group that is not there, or is no classic one,
is Dead up to version 5 and GROUP_ID_NOT_FOUND from 6 on.

Version notes: 3 can ask for authorized operations (KIP-430), 4 shows static members, 5 is flexible, 6 says why there
is no such group (KIP-1043).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_groups import DescribedGroup, DescribedGroupMember, DescribeGroupsResponse
from ..coordinators.classic_group_state import ClassicGroupState
from ..coordinators.consumer_group import ConsumerGroup
from ..metadata.authorized_operations import GROUP_OPERATIONS, NOT_ASKED_FOR

if TYPE_CHECKING:
    from ...protocol.messages.describe_groups import DescribeGroupsRequest
    from ..coordinators.classic_group import ClassicGroup
    from ..coordinators.classic_member import ClassicMember
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_NOT_FOUND = 6


def handle(request: DescribeGroupsRequest, context: RequestContext, services: Services) -> DescribeGroupsResponse:
    """Describe every group that is named."""
    described = [_describe(group_id, context.api_version, services) for group_id in request.groups]
    for group in described:
        asked = request.include_authorized_operations and group.error_code == ErrorCode.NONE
        group.authorized_operations = GROUP_OPERATIONS if asked else NOT_ASKED_FOR
    return DescribeGroupsResponse(groups=described)


def _describe(group_id: str, version: int, services: Services) -> DescribedGroup:
    shard = services.groups.shard_of(group_id)
    if shard is None:
        return DescribedGroup(group_id=group_id, error_code=ErrorCode.NOT_COORDINATOR)
    group = shard.groups.get(group_id)
    if isinstance(group, ConsumerGroup):
        return _dead(group_id, f"Group {group_id} is not a classic group.", version)
    if group is None or group.state is ClassicGroupState.DEAD:
        return _dead(group_id, f"Group {group_id} not found.", version)
    is_stable = group.state is ClassicGroupState.STABLE
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol_name or "") if is_stable else "",
        members=[_member(group, member, version, show=is_stable) for member in group.members],
    )


def _dead(group_id: str, reason: str, version: int) -> DescribedGroup:
    dead = DescribedGroup(group_id=group_id, group_state=ClassicGroupState.DEAD.value)
    if version >= _FIRST_VERSION_WITH_NOT_FOUND:
        dead.error_code = ErrorCode.GROUP_ID_NOT_FOUND
        dead.error_message = reason
    return dead


def _member(group: ClassicGroup, member: ClassicMember, version: int, *, show: bool) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.group_instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=member.metadata(group.protocol_name) if show else b"",
        member_assignment=member.assignment,
    )
