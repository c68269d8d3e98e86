"""AddPartitionsToTxn 0-5: make partitions part of a transaction, or ask whether they are.

- Either all partitions join or none does: when one does not exist, the others answer OPERATION_NOT_ATTEMPTED.
- Clients cannot add an internal topic: its partitions answer TOPIC_AUTHORIZATION_FAILED.
- From 4 on a request is a broker's and holds several transactions; with `verify_only` it changes nothing (KIP-890).

Version notes: 2 may answer PRODUCER_FENCED (KIP-588), 3 is flexible, 4 is batched, 5 knows TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)
from ..coordinators.transaction_init import ProducerIdAndEpoch
from ..coordinators.transaction_state import EPOCH_BUMPS_SINCE
from ..metadata.topic_names import is_internal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
    from ..coordinators.transaction_metadata import TopicPartition
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_PRODUCER_FENCED = 2
_FIRST_BATCHED_VERSION = 4


def handle(
    request: AddPartitionsToTxnRequest, context: RequestContext, services: Services
) -> AddPartitionsToTxnResponse:
    """Answer every transaction of the request."""
    version = context.api_version
    if version >= _FIRST_BATCHED_VERSION:
        results = [_result(transaction, version, services) for transaction in request.transactions]
        return AddPartitionsToTxnResponse(results_by_transaction=results)
    only = AddPartitionsToTxnTransaction(
        transactional_id=request.v3_and_below_transactional_id,
        producer_id=request.v3_and_below_producer_id,
        producer_epoch=request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    return answered(request, _codes(only, version, services))


def answered(
    request: AddPartitionsToTxnRequest, codes: Mapping[TopicPartition, ErrorCode]
) -> AddPartitionsToTxnResponse:
    """The answer to a request of one transaction."""
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=_results(request.v3_and_below_topics, codes))


def _result(transaction: AddPartitionsToTxnTransaction, version: int, services: Services) -> AddPartitionsToTxnResult:
    codes = _codes(transaction, version, services)
    return AddPartitionsToTxnResult(
        transactional_id=transaction.transactional_id, topic_results=_results(transaction.topics, codes)
    )


def _results(
    topics: list[AddPartitionsToTxnTopic], codes: Mapping[TopicPartition, ErrorCode]
) -> list[AddPartitionsToTxnTopicResult]:
    return [
        AddPartitionsToTxnTopicResult(
            name=topic.name,
            results_by_partition=[
                AddPartitionsToTxnPartitionResult(partition_index=index, partition_error_code=codes[topic.name, index])
                for index in topic.partitions
            ],
        )
        for topic in topics
    ]


def names_internal_topic(request: AddPartitionsToTxnRequest) -> bool:
    """Whether a request of one transaction names a topic that clients cannot add."""
    return any(is_internal(topic.name) for topic in request.v3_and_below_topics)


def _problem_with(partition: TopicPartition, version: int, services: Services) -> ErrorCode:
    if version < _FIRST_BATCHED_VERSION and is_internal(partition[0]):
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    if services.partitions.get(*partition) is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.NONE


def _codes(
    transaction: AddPartitionsToTxnTransaction, version: int, services: Services
) -> dict[TopicPartition, ErrorCode]:
    partitions = [(topic.name, index) for topic in transaction.topics for index in topic.partitions]
    problems = {partition: _problem_with(partition, version, services) for partition in partitions}
    if any(problems.values()):
        return {partition: problem or ErrorCode.OPERATION_NOT_ATTEMPTED for partition, problem in problems.items()}
    producer = ProducerIdAndEpoch(transaction.producer_id, transaction.producer_epoch)
    wanted = frozenset(partitions)
    if transaction.verify_only:
        return services.transactions.verify_partitions(transaction.transactional_id, producer, wanted)
    code = services.transactions.add_partitions(
        transaction.transactional_id, producer, wanted, transaction_version(version)
    )
    return dict.fromkeys(partitions, as_told(code, version))


def transaction_version(version: int) -> int:
    """What the client takes part in. Who batches is a broker that adds partitions for one of version 2."""
    return EPOCH_BUMPS_SINCE if version >= _FIRST_BATCHED_VERSION else 0


def as_told(code: ErrorCode, version: int) -> ErrorCode:
    """What the coordinator says, as a client of this version knows it."""
    if version < _FIRST_VERSION_WITH_PRODUCER_FENCED and code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return code
