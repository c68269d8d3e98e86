"""ListGroups 0-5: every group, by state and type if asked.

Version notes: 3 is flexible, 4 filters by state (KIP-518), 5 by type (KIP-848). States and types are compared without
regard to case; what is not known matches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.messages.list_groups import ListedGroup, ListGroupsResponse

if TYPE_CHECKING:
    from ...protocol.messages.list_groups import ListGroupsRequest
    from ..request import RequestContext
    from ..services import Services


def handle(request: ListGroupsRequest, context: RequestContext, services: Services) -> ListGroupsResponse:
    """List what passes both filters; an empty filter passes all."""
    states = {state.strip().lower() for state in request.states_filter}
    types = {kind.lower() for kind in request.types_filter}
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type or "",
                group_state=group.state.value,
                group_type=group.type_name,
            )
            for group in services.groups.groups()
            if (not states or group.state.value.lower() in states) and (not types or group.type_name in types)
        ]
    )
