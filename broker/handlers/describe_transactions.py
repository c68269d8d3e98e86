"""DescribeTransactions 0: what the coordinator knows of transactional ids (KIP-664).

While a transaction ends, its partitions are those whose marker is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_transactions import DescribeTransactionsResponse, TopicData, TransactionState

if TYPE_CHECKING:
    from ...protocol.messages.describe_transactions import DescribeTransactionsRequest
    from ..coordinators.transaction_decision import Transaction
    from ..request import RequestContext
    from ..services import Services


def handle(
    request: DescribeTransactionsRequest, context: RequestContext, services: Services
) -> DescribeTransactionsResponse:
    """Answer every transactional id."""
    return DescribeTransactionsResponse(
        transaction_states=[_described(transactional_id, services) for transactional_id in request.transactional_ids]
    )


def _described(transactional_id: str, services: Services) -> TransactionState:
    if not transactional_id:
        return TransactionState(transactional_id="", error_code=ErrorCode.INVALID_REQUEST)
    hosted = services.transactions.hosting(transactional_id)
    if isinstance(hosted, ErrorCode):
        return TransactionState(transactional_id=transactional_id, error_code=hosted)
    transaction = hosted.shard.transactions.get(transactional_id)
    if transaction is None:
        return TransactionState(transactional_id=transactional_id, error_code=ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
    metadata = transaction.metadata
    return TransactionState(
        transactional_id=transactional_id,
        transaction_state=metadata.state.label,
        transaction_timeout_ms=metadata.timeout_ms,
        transaction_start_time_ms=metadata.start_timestamp_ms,
        producer_id=metadata.producer_id,
        producer_epoch=metadata.producer_epoch,
        topics=_topics(transaction),
    )


def _topics(transaction: Transaction) -> list[TopicData]:
    metadata = transaction.metadata
    indexes: dict[str, list[int]] = {}
    for topic, index in sorted(transaction.markers_left if metadata.state.is_prepared else metadata.partitions):
        indexes.setdefault(topic, []).append(index)
    return [TopicData(topic=topic, partitions=partitions) for topic, partitions in indexes.items()]
