"""ElectLeaders 0-2: elect the preferred leader, or any, where it does not lead. The one broker leads everything.

Version notes: 1 has unclean elections (KIP-460), 2 is flexible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.elect_leaders import ElectLeadersResponse, PartitionResult, ReplicaElectionResult

if TYPE_CHECKING:
    from ...protocol.messages.elect_leaders import ElectLeadersRequest
    from ..metadata.image import MetadataImage
    from ..request import RequestContext
    from ..services import Services

_PREFERRED: Final = 0
_UNCLEAN: Final = 1


def handle(request: ElectLeadersRequest, context: RequestContext, services: Services) -> ElectLeadersResponse:
    """Answer every partition that is named; without names only those that need an election, which none does."""
    image = services.metadata.image
    wanted = request.topic_partitions
    election_type = request.election_type
    if wanted == []:
        return ElectLeadersResponse()
    if election_type not in (_PREFERRED, _UNCLEAN):
        return ElectLeadersResponse(
            error_code=ErrorCode.INVALID_REQUEST,
            replica_election_results=[
                ReplicaElectionResult(
                    topic=topic.topic,
                    partition_result=[
                        PartitionResult(
                            partition_id=index,
                            error_code=ErrorCode.INVALID_REQUEST,
                            error_message=f"Unknown election type {election_type}",
                        )
                        for index in topic.partitions
                    ],
                )
                for topic in wanted or ()
            ],
        )
    if wanted is None:
        return ElectLeadersResponse(
            replica_election_results=[ReplicaElectionResult(topic=name) for name in image.topics_by_name]
        )
    return ElectLeadersResponse(
        replica_election_results=[
            ReplicaElectionResult(
                topic=topic.topic,
                partition_result=[_partition(topic.topic, index, image) for index in topic.partitions],
            )
            for topic in wanted
        ]
    )


def _partition(topic: str, index: int, image: MetadataImage) -> PartitionResult:
    found = image.topics_by_name.get(topic)
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if found is None:
        message = f"No such topic as {topic}"
    elif not 0 <= index < len(found.partitions):
        message = f"No such partition as {topic}-{index}"
    else:
        code = ErrorCode.ELECTION_NOT_NEEDED
        message = "Leader election not needed for topic partition."
    return PartitionResult(partition_id=index, error_code=code, error_message=message)
