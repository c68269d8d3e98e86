"""ListOffsets 1-11: where in a partition something is, by place (negative timestamps) or by time.

- -1 the end (the last stable offset under read_committed), -2 the start, -3 the record with the largest timestamp,
  -4 the start of what is local, -5 the end of what is tiered, -6 the start of what waits to be tiered. Nothing is
  ever tiered here, so -4 is the start and -5 and -6 find nothing.
- A time finds the first record at or after it, also inside a compressed batch; none is offset -1 without an error.
- The leader epoch is the one of the record found.

Version notes: 2 knows isolation levels, 4 checks the reader's leader epoch (KIP-320), 6 is flexible, 7 adds -3
(KIP-734), 8 adds -4 (KIP-405), 9 adds -5 (KIP-1005), 10 a timeout for remote storage (KIP-1075), 11 adds -6 (KIP-1023).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode, ProtocolError
from ...protocol.messages.list_offsets import (
    ListOffsetsPartitionResponse,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

if TYPE_CHECKING:
    from ...protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest
    from ...storage.log import Log
    from ..request import RequestContext
    from ..runtime.partitions import Partition
    from ..services import Services

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = range(-1, -7, -1)
_SINCE_VERSION = {
    LATEST: 1,
    EARLIEST: 1,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING_UPLOAD: 11,
}
_FIRST_VERSION_WITH_LEADER_EPOCH = 4
_READ_COMMITTED = 1
_ISOLATION_LEVELS = (0, _READ_COMMITTED)


def handle(request: ListOffsetsRequest, context: RequestContext, services: Services) -> ListOffsetsResponse:
    """Look up every partition that is named once."""
    named = Counter((topic.name, wanted.partition_index) for topic in request.topics for wanted in topic.partitions)
    topics = []
    for topic in request.topics:
        partitions = []
        # A partition that is named twice is refused once, as in Kafka.
        for wanted in {wanted.partition_index: wanted for wanted in topic.partitions}.values():
            if named[topic.name, wanted.partition_index] > 1:
                partitions.append(_error(wanted, ErrorCode.INVALID_REQUEST))
            else:
                partition = services.partitions.get(topic.name, wanted.partition_index)
                partitions.append(_look_up(partition, wanted, request.isolation_level, context.api_version))
        topics.append(ListOffsetsTopicResponse(name=topic.name, partitions=partitions))
    return ListOffsetsResponse(topics=topics)


def _look_up(
    partition: Partition | None, wanted: ListOffsetsPartition, isolation_level: int, version: int
) -> ListOffsetsPartitionResponse:
    if wanted.timestamp < 0 and version < _SINCE_VERSION.get(wanted.timestamp, version + 1):
        return _error(wanted, ErrorCode.UNSUPPORTED_VERSION)
    if partition is None:
        return _error(wanted, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if isolation_level not in _ISOLATION_LEVELS:
        return _error(wanted, ErrorCode.UNKNOWN_SERVER_ERROR)
    problem = partition.problem_with_epoch(wanted.current_leader_epoch)
    if problem is not None:
        return _error(wanted, problem)
    log = partition.log
    end_offset = log.last_stable_offset if isolation_level == _READ_COMMITTED else log.high_watermark
    try:
        timestamp, offset, epoch = _find(log, wanted.timestamp, end_offset)
    except (OSError, ProtocolError) as error:
        return _error(wanted, partition.read_failed(error))
    return ListOffsetsPartitionResponse(
        partition_index=wanted.partition_index,
        timestamp=timestamp,
        offset=offset,
        leader_epoch=epoch if version >= _FIRST_VERSION_WITH_LEADER_EPOCH else -1,
    )


def _find(log: Log, timestamp: int, end_offset: int) -> tuple[int, int, int]:
    """(timestamp, offset, leader epoch), each -1 where there is none."""
    if timestamp == LATEST:
        return -1, end_offset, log.leader_epochs.latest_epoch
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return -1, log.log_start_offset, log.leader_epochs.epoch_for_offset(log.log_start_offset)
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return -1, -1, -1
    found = log.offset_of_max_timestamp() if timestamp == MAX_TIMESTAMP else log.offset_for_timestamp(timestamp)
    if found is None or found.offset >= end_offset:
        return -1, -1, -1
    return found.timestamp_ms, found.offset, found.leader_epoch


def _error(wanted: ListOffsetsPartition, code: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(partition_index=wanted.partition_index, error_code=code)
