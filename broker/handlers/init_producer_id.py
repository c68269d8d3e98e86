"""InitProducerId 0-5: an id and an epoch for an idempotent producer.

- A producer without a transactional id gets a new id with epoch 0, whatever id it had before.
- A producer with one gets the next epoch of its id, and whoever had the transactional id before is fenced. An open
  transaction is aborted first: CONCURRENT_TRANSACTIONS asks the producer to come again.

Version notes: 2 is flexible, 3 carries the producer's last id and epoch (KIP-360), 4 may answer PRODUCER_FENCED
(KIP-588), 5 belongs to transaction version 2 (KIP-890). 6 is not stable in Kafka 4.3 and not served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.init_producer_id import InitProducerIdResponse
from ..coordinators.transaction_init import ProducerIdAndEpoch
from ..metadata.refusal import Refused

if TYPE_CHECKING:
    from ...protocol.messages.init_producer_id import InitProducerIdRequest
    from ..request import RequestContext
    from ..services import Services

_NO_PRODUCER_ID = -1
_NO_EPOCH = -1
_FIRST_VERSION_WITH_PRODUCER_FENCED = 4


def handle(request: InitProducerIdRequest, context: RequestContext, services: Services) -> InitProducerIdResponse:
    """Give the next id, or the next epoch."""
    if (request.producer_id == _NO_PRODUCER_ID) != (request.producer_epoch == _NO_EPOCH):
        return _refused(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is not None:
        return _transactional(request, request.transactional_id, context, services)
    try:
        return InitProducerIdResponse(producer_id=services.producer_ids.next_id(), producer_epoch=0)
    except Refused as error:
        return _refused(error.code)


def _transactional(
    request: InitProducerIdRequest, transactional_id: str, context: RequestContext, services: Services
) -> InitProducerIdResponse:
    expected = None
    if request.producer_id != _NO_PRODUCER_ID:
        expected = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    answer = services.transactions.init_producer_id(transactional_id, request.transaction_timeout_ms, expected)
    code = answer.code
    if code is ErrorCode.PRODUCER_FENCED and context.api_version < _FIRST_VERSION_WITH_PRODUCER_FENCED:
        code = ErrorCode.INVALID_PRODUCER_EPOCH
    return InitProducerIdResponse(error_code=code, producer_id=answer.producer_id, producer_epoch=answer.producer_epoch)


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=_NO_PRODUCER_ID, producer_epoch=_NO_EPOCH)
