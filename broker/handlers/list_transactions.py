"""ListTransactions 0-2: the transactional ids that this broker coordinates, through an admin's filters (KIP-664).

Version notes: 1 filters by age (KIP-994), 2 by a regular expression of the whole transactional id, in RE2's syntax
(KIP-1152).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.list_transactions import ListTransactionsResponse, TransactionState
from ..coordinators.transaction_listing import InvalidPattern, listed, transaction_filter

if TYPE_CHECKING:
    from ...protocol.messages.list_transactions import ListTransactionsRequest
    from ..request import RequestContext
    from ..services import Services


def handle(request: ListTransactionsRequest, context: RequestContext, services: Services) -> ListTransactionsResponse:
    """List what the filters let through."""
    transactions = services.transactions
    if transactions.is_loading:
        return ListTransactionsResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    every = [transaction.metadata for transaction in transactions.transactions()]
    try:
        wanted, unknown = transaction_filter(
            request.state_filters,
            request.producer_id_filters,
            request.duration_filter,
            request.transactional_id_pattern,
            [metadata.transactional_id for metadata in every],
        )
    except InvalidPattern:
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION)
    return ListTransactionsResponse(
        unknown_state_filters=unknown,
        transaction_states=[
            TransactionState(
                transactional_id=metadata.transactional_id,
                producer_id=metadata.producer_id,
                transaction_state=metadata.state.label,
            )
            for metadata in listed(every, wanted, services.clock.now_ms())
        ],
    )
