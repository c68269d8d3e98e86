"""DeleteRecords 0-2: move the start of partitions forward; what lies before is never read again.

- Offset -1 is the high watermark; an offset above it is OFFSET_OUT_OF_RANGE, one below the start changes nothing.
- A partition that is named twice is answered once, for the last of its wishes.
- The answer leaves when the new start is on the disk, where Kafka relies on other replicas to know it after a crash.
- A topic that is only compacted refuses with POLICY_VIOLATION, an internal one with INVALID_TOPIC_EXCEPTION.

Version notes: 2 is flexible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from ..metadata.topic_names import is_internal

if TYPE_CHECKING:
    from ...protocol.messages.delete_records import DeleteRecordsRequest
    from ..request import RequestContext
    from ..runtime.partitions import Partition
    from ..services import Services

_TO_HIGH_WATERMARK = -1
_NO_OFFSET = -1


def handle(request: DeleteRecordsRequest, context: RequestContext, services: Services) -> DeleteRecordsResponse:
    """Advance every partition that allows it."""
    topics = []
    moved = []
    for name, offsets in _wishes(request).items():
        partitions = []
        for index, offset in offsets.items():
            partition = services.partitions.get(name, index)
            result = _delete(partition, offset)
            error, low_watermark = (result, _NO_OFFSET) if isinstance(result, ErrorCode) else (ErrorCode.NONE, result)
            if partition is not None and error == ErrorCode.NONE:
                moved.append(partition.log)
            partitions.append(
                DeleteRecordsPartitionResult(partition_index=index, low_watermark=low_watermark, error_code=error)
            )
        topics.append(DeleteRecordsTopicResult(name=name, partitions=partitions))
    if moved:
        services.commits.pending += services.partitions.keep_log_starts(moved)
    return DeleteRecordsResponse(topics=topics)


def _wishes(request: DeleteRecordsRequest) -> dict[str, dict[int, int]]:
    """The offset for every partition, by topic."""
    wishes: dict[str, dict[int, int]] = {}
    for topic in request.topics:
        offsets = {wanted.partition_index: wanted.offset for wanted in topic.partitions}
        wishes.setdefault(topic.name, {}).update(offsets)
    return wishes


def _delete(partition: Partition | None, offset: int) -> int | ErrorCode:
    """The new start of the partition, or why it stays."""
    if partition is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if is_internal(partition.topic):
        return ErrorCode.INVALID_TOPIC_EXCEPTION
    if partition.offline_reason is not None:
        return ErrorCode.KAFKA_STORAGE_ERROR
    log = partition.log
    if "delete" not in log.config.cleanup_policy and log.config.cleanup_policy:
        return ErrorCode.POLICY_VIOLATION
    target = log.high_watermark if offset == _TO_HIGH_WATERMARK else offset
    if not 0 <= target <= log.high_watermark:
        return ErrorCode.OFFSET_OUT_OF_RANGE
    try:
        partition.delete_records_below(target)
    except OSError as error:
        return partition.read_failed(error)
    return log.log_start_offset
