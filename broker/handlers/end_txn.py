"""EndTxn 0-5: commit or abort a transaction.

The answer says that the end is on record; the markers follow, and until they are there the next transaction answers
CONCURRENT_TRANSACTIONS.

Version notes: 2 may answer PRODUCER_FENCED (KIP-588), 3 is flexible, 4 knows TRANSACTION_ABORTABLE, 5 is transaction
version 2: the producer goes on with the id and epoch of the answer (KIP-890).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.end_txn import EndTxnResponse
from ..coordinators.transaction_init import ProducerIdAndEpoch
from ..coordinators.transaction_state import EPOCH_BUMPS_SINCE

if TYPE_CHECKING:
    from ...protocol.messages.end_txn import EndTxnRequest
    from ..coordinators.transaction_decision import Answer
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_PRODUCER_FENCED = 2
_FIRST_VERSION_WITH_NEW_EPOCH = 5


def handle(request: EndTxnRequest, context: RequestContext, services: Services) -> EndTxnResponse:
    """Decide how the transaction ends."""
    producer = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    version = context.api_version
    answer = services.transactions.end_transaction(
        request.transactional_id, producer, transaction_version(version), is_commit=request.committed
    )
    code, producer_id, epoch = as_told(answer, version)
    return EndTxnResponse(error_code=code, producer_id=producer_id, producer_epoch=epoch)


def transaction_version(version: int) -> int:
    """What a client of this version takes part in."""
    return EPOCH_BUMPS_SINCE if version >= _FIRST_VERSION_WITH_NEW_EPOCH else 0


def as_told(answer: Answer, version: int) -> Answer:
    """What the coordinator says, as a client of this version knows it."""
    if version < _FIRST_VERSION_WITH_PRODUCER_FENCED and answer.code is ErrorCode.PRODUCER_FENCED:
        return answer._replace(code=ErrorCode.INVALID_PRODUCER_EPOCH)
    return answer
