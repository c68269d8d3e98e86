"""OffsetForLeaderEpoch 2-4: where the largest leader epoch that is not above the asked one ends.

A reader that was cut off compares this with its own position to see whether its log and the leader's parted (KIP-101,
KIP-320). An epoch that is not known yet answers -1 and -1.

Version notes: 2 checks the reader's current epoch, 3 names the replica (-2 is a debugging consumer), 4 is flexible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
)

if TYPE_CHECKING:
    from ...protocol.messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest, OffsetForLeaderPartition
    from ..request import RequestContext
    from ..runtime.partitions import Partition
    from ..services import Services


def handle(
    request: OffsetForLeaderEpochRequest, context: RequestContext, services: Services
) -> OffsetForLeaderEpochResponse:
    """Look up every partition."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[
                    _look_up(services.partitions.get(topic.topic, wanted.partition), wanted)
                    for wanted in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _look_up(partition: Partition | None, wanted: OffsetForLeaderPartition) -> EpochEndOffset:
    if partition is None:
        return EpochEndOffset(partition=wanted.partition, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    problem = partition.problem_with_epoch(wanted.current_leader_epoch)
    if problem is not None:
        return EpochEndOffset(partition=wanted.partition, error_code=problem)
    log = partition.log
    epoch, end_offset = log.leader_epochs.end_offset_for(wanted.leader_epoch, log.log_end_offset)
    return EpochEndOffset(partition=wanted.partition, leader_epoch=epoch, end_offset=end_offset)
