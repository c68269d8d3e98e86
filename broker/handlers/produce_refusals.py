"""What a producer is told of batches that were not appended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from ...protocol.record_batch import CorruptBatch, read_header
from ...storage.append import NoBatch

if TYPE_CHECKING:
    from ...protocol.messages.produce import ProduceRequest
    from ...storage.append import AppendError
    from ..request import RequestContext

_TURNED_AWAY: Final = (
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.MESSAGE_TOO_LARGE,
    ErrorCode.RECORD_LIST_TOO_LARGE,
    ErrorCode.KAFKA_STORAGE_ERROR,
)


def refused(
    index: int, code: ErrorCode, message: str | None = None, record_errors: tuple[tuple[int, str], ...] = ()
) -> PartitionProduceResponse:
    """Of one partition."""
    return PartitionProduceResponse(
        index=index,
        error_code=code,
        base_offset=-1,
        error_message=message,
        record_errors=[
            BatchIndexAndErrorMessage(batch_index=number, batch_index_error_message=text)
            for number, text in record_errors
        ],
    )


def all_refused(
    request: ProduceRequest, context: RequestContext, code: ErrorCode, message: str | None = None
) -> ProduceResponse | None:
    """Of a whole request; who wants no answer loses the connection."""
    if request.acks == 0:
        context.close_connection(f"a produce with acks=0 failed: {message or code.name}")
        return None
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                topic_id=topic.topic_id,
                partition_responses=[refused(data.index, code, message) for data in topic.partition_data],
            )
            for topic in request.topic_data
            if topic.partition_data
        ]
    )


def rejected(index: int, error: AppendError, records: memoryview, log_start_offset: int) -> PartitionProduceResponse:
    """Tell what the log said, as Kafka does.

    A message stands only beside records at fault and where no batch was found; the log's start is left out where the
    batch was turned away before the log looked at it.
    """
    message = error.message if error.record_errors or isinstance(error, NoBatch) else None
    answer = refused(index, error.code, message, error.record_errors)
    if error.code not in _TURNED_AWAY and (error.code is not ErrorCode.INVALID_RECORD or _is_one_batch(records)):
        answer.log_start_offset = log_start_offset
    return answer


def _is_one_batch(records: memoryview) -> bool:
    try:
        return read_header(records).size_bytes == len(records)
    except CorruptBatch:
        return False
