"""Produce 3-13: append one record batch to each of some partitions.

- Where `flush.messages` asks for the disk, the answer waits for a sync that all producers of the partition share.
- acks 0 has no answer, and an error then closes the connection; acks 1 and -1 mean the same with one replica, since
  a batch is acknowledged when it is written. `min.insync.replicas` counts no more replicas than there are, as in
  Kafka 4 (`Partition.effectiveMinIsr`), so one replica always satisfies it.
- A partition fails alone: its error says which records are at fault (`record_errors`).
- The transaction coordinator is asked before a transactional batch is written where its producer has none yet
  (`runtime/transaction_verification.py`); without a transactional id the whole request is not authorized, as in Kafka.
- The broker's own topics are written by the broker alone (INVALID_TOPIC_EXCEPTION).
- A topic without partitions is left out of the answer.
- A request that names a partition twice appends both batches and answers both, where Kafka keeps one of them.

Version notes: 3 is the first with magic 2, 5 returns the log start offset, 7 allows zstd (KIP-110), 8 explains
refused records (KIP-467), 9 is flexible, 10 hints at the new leader (KIP-951), 12 adds partitions to transactions
implicitly (KIP-890), 13 names topics by id.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ...protocol.compression import Compression
from ...protocol.errors import ErrorCode
from ...protocol.messages.produce import PartitionProduceResponse, ProduceResponse, TopicProduceResponse
from ...protocol.record_batch import ATTRIBUTES_POSITION, COMPRESSION_MASK, TRANSACTIONAL_BIT
from ...protocol.schema import constructor_of
from ...storage.append import AppendError
from ..metadata.topic_names import is_internal
from ..request import Deferred
from ..runtime.concurrent_transactions import when_settled
from ..runtime.long_poll import partition_grew
from ..runtime.transaction_verification import produce_support, refused_batches
from .produce_refusals import all_refused, refused, rejected

if TYPE_CHECKING:
    from ...protocol.messages.produce import PartitionProduceData, ProduceRequest
    from ..coordinators.transaction_metadata import TopicPartition
    from ..request import RequestContext
    from ..runtime.partitions import Partition
    from ..runtime.transaction_verification import Refusal
    from ..services import Services

_answer = constructor_of(ProduceResponse)
_topic_answer = constructor_of(TopicProduceResponse)
_partition_answer = constructor_of(PartitionProduceResponse)

_FIRST_VERSION_WITH_ZSTD = 7
FIRST_VERSION_WITH_TOPIC_IDS: Final = 13
ACKS_ANSWERED: Final = (-1, 1)
_ACKS = (*ACKS_ANSWERED, 0)
# The byte of the attributes that is in use.
_ATTRIBUTES = ATTRIBUTES_POSITION + 1


def handle(
    request: ProduceRequest, context: RequestContext, services: Services
) -> ProduceResponse | Deferred[ProduceResponse] | None:
    """Append every batch in the order of the request, then answer the fetches that waited for them."""
    if request.transactional_id is None:
        if _has_transactional_batch(request):
            return all_refused(request, context, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        return _append_all(request, context, services, None)
    ask = partial(_refusals, request, context.api_version, services)
    if request.acks == 0:
        return _append_all(request, context, services, ask())
    answer: ProduceResponse | Deferred[ProduceResponse] = when_settled(
        ask, partial(_keep, request), partial(_append_asked, request, context, services), services
    )
    return answer


def _has_transactional_batch(request: ProduceRequest) -> bool:
    for topic in request.topic_data:
        for data in topic.partition_data:
            records = data.records
            if records is not None and len(records) > _ATTRIBUTES and records[_ATTRIBUTES] & TRANSACTIONAL_BIT:
                return True
    return False


def _append_asked(
    request: ProduceRequest, context: RequestContext, services: Services, refusals: dict[TopicPartition, Refusal]
) -> ProduceResponse | Deferred[ProduceResponse] | None:
    """Append what the coordinator has nothing against."""
    if not services.commits.pending:
        return _append_all(request, context, services, refusals)
    # A batch must not outlive the record that makes its partition part of the transaction: nobody would ever end it.
    _keep(request)
    answer: Deferred[ProduceResponse] = services.commits.then(
        partial(_append_all, request, context, services, refusals), context.connection
    )
    return answer


def _keep(request: ProduceRequest) -> None:
    """Copy the batches out of the frame, which is gone when the handler returns."""
    for topic in request.topic_data:
        for data in topic.partition_data:
            if isinstance(data.records, memoryview):
                data.records = memoryview(bytearray(data.records))


def _append_all(
    request: ProduceRequest,
    context: RequestContext,
    services: Services,
    refusals: dict[TopicPartition, Refusal] | None,
) -> ProduceResponse | Deferred[ProduceResponse] | None:
    version = context.api_version
    by_id = version >= FIRST_VERSION_WITH_TOPIC_IDS
    acks = request.acks
    now_ms = services.clock.now_ms()
    find = services.partitions.find
    responses = []
    # Where somebody waits: for the records, or for them to be on the disk.
    awaited: list[tuple[Partition, PartitionProduceResponse]] = []
    failed = None
    for topic in request.topic_data:
        answers = []
        for data in topic.partition_data:
            partition = find(topic.name, topic.topic_id, data.index, by_id=by_id)
            if partition is None:
                answer = refused(data.index, _unknown(by_id, topic.topic_id, services))
            else:
                refusal = refusals.get((partition.topic, data.index)) if refusals else None
                answer = _append(partition, data, request, version, now_ms, refusal)
                if partition.watches or not partition.is_committed:
                    awaited.append((partition, answer))
            if answer.error_code:
                failed = answer
            answers.append(answer)
        if answers:
            responses.append(_topic_answer(name=topic.name, topic_id=topic.topic_id, partition_responses=answers))
    uncommitted = _tell_readers(awaited) if awaited else None
    if acks == 0:
        if failed is not None:
            context.close_connection(f"a produce with acks=0 failed: {ErrorCode(failed.error_code).name}")
        return None
    response = _answer(responses=responses)
    return _when_committed(response, uncommitted) if uncommitted else response


def _tell_readers(
    awaited: list[tuple[Partition, PartitionProduceResponse]],
) -> list[tuple[Partition, PartitionProduceResponse]]:
    """Answer the fetches that waited for what is committed; return what is not, whose readers the sync will tell."""
    uncommitted = []
    for partition, answer in awaited:
        if partition.is_committed:
            if partition.watches:
                partition_grew(partition)
        elif not answer.error_code:
            uncommitted.append((partition, answer))
    return uncommitted


def _when_committed(
    response: ProduceResponse, uncommitted: list[tuple[Partition, PartitionProduceResponse]]
) -> Deferred[ProduceResponse]:
    """The response for when every partition that syncs its batches has done so, or could not."""
    deferred: Deferred[ProduceResponse] = Deferred()
    missing = len(uncommitted)

    def told(answer: PartitionProduceResponse, error: OSError | None) -> None:
        nonlocal missing
        if error is not None and not answer.error_code:
            answer.error_code = ErrorCode.KAFKA_STORAGE_ERROR
            answer.base_offset = answer.log_append_time_ms = answer.log_start_offset = -1
        missing -= 1
        if not missing:
            deferred.complete(response)

    for partition, answer in uncommitted:
        partition.when_committed(partition.log.log_end_offset, partial(told, answer))
    return deferred


def _refusals(request: ProduceRequest, version: int, services: Services) -> dict[TopicPartition, Refusal]:
    """What the transaction coordinator has against the request's batches."""
    assert request.transactional_id is not None
    by_id = version >= FIRST_VERSION_WITH_TOPIC_IDS
    find = services.partitions.find
    batches = []
    for topic in request.topic_data:
        for data in topic.partition_data:
            partition = find(topic.name, topic.topic_id, data.index, by_id=by_id)
            if partition is not None and isinstance(data.records, memoryview):
                batches.append((partition, data.records))
    return refused_batches(batches, request.transactional_id, produce_support(version), services)


def _append(
    partition: Partition,
    data: PartitionProduceData,
    request: ProduceRequest,
    version: int,
    now_ms: int,
    refusal: Refusal | None,
) -> PartitionProduceResponse:
    records = data.records
    if not isinstance(records, memoryview):
        return refused(data.index, ErrorCode.INVALID_RECORD)
    if refusal is not None:
        return refused(data.index, *refusal)
    if version < _FIRST_VERSION_WITH_ZSTD and (problem := _problem_with_codec(records)) is not None:
        return refused(data.index, problem)
    if request.acks not in _ACKS:
        return refused(data.index, ErrorCode.INVALID_REQUIRED_ACKS)
    if is_internal(partition.topic):
        return refused(data.index, ErrorCode.INVALID_TOPIC_EXCEPTION)
    try:
        appended = partition.append_quietly(records, now_ms)
    except AppendError as error:
        return rejected(data.index, error, records, partition.log.log_start_offset)
    return _partition_answer(
        index=data.index,
        base_offset=appended.base_offset,
        log_append_time_ms=appended.log_append_time_ms,
        log_start_offset=appended.log_start_offset,
    )


def _problem_with_codec(records: memoryview) -> ErrorCode | None:
    """What is wrong with a codec that the first versions do not know; Kafka stumbles over one that nobody knows."""
    codec = records[_ATTRIBUTES] & COMPRESSION_MASK if len(records) > _ATTRIBUTES else Compression.NONE
    if codec < Compression.ZSTD:
        return None
    return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE if codec == Compression.ZSTD else ErrorCode.UNKNOWN_SERVER_ERROR


def _unknown(by_id: bool, topic_id: bytes, services: Services) -> ErrorCode:
    if by_id and topic_id not in services.metadata.image.topics_by_id:
        return ErrorCode.UNKNOWN_TOPIC_ID
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
