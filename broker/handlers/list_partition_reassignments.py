"""ListPartitionReassignments 0: the partitions that are on the move, of which there are none on one broker.

Kafka says nothing of a partition that does not move, nor of one that does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.messages.list_partition_reassignments import ListPartitionReassignmentsResponse

if TYPE_CHECKING:
    from ...protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
    from ..request import RequestContext
    from ..services import Services


def handle(
    request: ListPartitionReassignmentsRequest, context: RequestContext, services: Services
) -> ListPartitionReassignmentsResponse:
    """Answer that nothing moves."""
    return ListPartitionReassignmentsResponse(error_message=None)
