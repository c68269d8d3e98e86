"""DeleteGroups 0-2: delete empty groups with their offsets.

Version notes: 2 is flexible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsResponse

if TYPE_CHECKING:
    from ...protocol.messages.delete_groups import DeleteGroupsRequest
    from ..request import RequestContext
    from ..services import Services


def handle(request: DeleteGroupsRequest, context: RequestContext, services: Services) -> DeleteGroupsResponse:
    """Delete every group that is named; each once."""
    names = dict.fromkeys(request.groups_names)
    return DeleteGroupsResponse(
        results=[DeletableGroupResult(group_id=name, error_code=_delete(name, services)) for name in names]
    )


def _delete(group_id: str, services: Services) -> ErrorCode:
    hosted = services.groups.hosting(group_id)
    if hosted is None:
        return ErrorCode.NOT_COORDINATOR
    decision = hosted.shard.delete_group(group_id)
    return decision.code or services.groups.write(hosted, decision.records)
