"""InitProducerId 0-5: an id and an epoch for an idempotent producer.

- A producer without a transactional id gets a new id with epoch 0, whatever id it had before.
- Transactions are not served yet. A transactional id is answered INVALID_REQUEST, which every client takes for final,
  where a coordinator error would make it retry for ever; one log line says why. An empty id is INVALID_REQUEST in
  Kafka too.

Version notes: 2 is flexible, 3 carries the producer's last id and epoch (KIP-360), 4 may answer PRODUCER_FENCED
(KIP-588), 5 belongs to transaction version 2 (KIP-890). 6 is not stable in Kafka 4.3 and not served.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.init_producer_id import InitProducerIdResponse
from ..metadata.refusal import Refused

if TYPE_CHECKING:
    from ...protocol.messages.init_producer_id import InitProducerIdRequest
    from ..request import RequestContext
    from ..services import Services

logger = logging.getLogger(__name__)

_NO_PRODUCER_ID = -1
_NO_EPOCH = -1


def handle(request: InitProducerIdRequest, context: RequestContext, services: Services) -> InitProducerIdResponse:
    """Give the next id."""
    if request.transactional_id is not None:
        if request.transactional_id:
            logger.warning(
                "client %s asked for the transactional id %r: transactions are not served yet",
                context.client_id,
                request.transactional_id,
            )
        return _refused(ErrorCode.INVALID_REQUEST)
    if (request.producer_id == _NO_PRODUCER_ID) != (request.producer_epoch == _NO_EPOCH):
        return _refused(ErrorCode.INVALID_REQUEST)
    try:
        return InitProducerIdResponse(producer_id=services.producer_ids.next_id(), producer_epoch=0)
    except Refused as error:
        return _refused(error.code)


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=_NO_PRODUCER_ID, producer_epoch=_NO_EPOCH)
