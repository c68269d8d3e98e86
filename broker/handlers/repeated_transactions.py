"""Answers AddPartitionsToTxn and EndTxn of a producer that has asked so before, without reading them again.

A transactional producer asks the same for each of its transactions. AddPartitionsToTxn is the same from its first byte
to its last until the producer begins anew; EndTxn is, up to its transactional id, and ends in fields of fixed size.
What stands before is known by its bytes; the coordinator is asked as by the handlers, and decides anew each time.
What must wait for the disk, or is refused before the coordinator was asked, is left to the handlers.
With its repeated Produce a transaction of one record takes 409,000 instructions of 689,000.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ...protocol.compiler import encode
from ...protocol.errors import ErrorCode
from ...protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from ...protocol.messages.end_txn import EndTxnRequest
from ..coordinators.transaction_init import ProducerIdAndEpoch
from ..coordinators.transaction_metadata import LAST_USABLE_EPOCH
from ..runtime.transaction_coordinators import HostedTransactions
from . import add_partitions_to_txn, end_txn
from .repeated import HEAD_BYTES, KNOWN_BYTES_MAX, LENGTH, FixedAnswer, Repeated, keep

if TYPE_CHECKING:
    from ..request import ConnectionInfo, RequestContext
    from ..runtime.transaction_coordinators import TransactionCoordinators
    from ..services import Services

# The API's key stands before the version.
_read_head = struct.Struct(">2xhi").unpack_from
_NONE: Final = ErrorCode.NONE
# What a NamedTuple's own constructor ends in.
_new_tuple = tuple.__new__

# From here on a request is a broker's and may hold several transactions.
_ADD_BATCHED_FROM: Final = 4
# Behind the transactional id of an EndTxn: producer id, epoch, whether to commit; if flexible, no tagged fields.
_END: Final = struct.Struct(">qhb")
_read_end = _END.unpack_from
_FLAGS: Final = (0, 1)
_END_FLEXIBLE_FROM: Final = EndTxnRequest.flexible.lowest
_END_TELLS_EPOCH_FROM: Final = 5
# The length, the correlation id, the throttle time, the code; from version 5 on producer id and epoch as well.
_ENDED: Final = struct.Struct(">iiih")
_FLEXIBLE_ENDED: Final = struct.Struct(">iixihx")
_ENDED_WITH_EPOCH: Final = struct.Struct(">iixihqhx")


def _settled(transactional_id: str, transactions: TransactionCoordinators) -> HostedTransactions | None:
    """Where it lives, if what the coordinator writes need not wait for the disk."""
    hosted = transactions.hosting(transactional_id)
    if isinstance(hosted, HostedTransactions) and hosted.log.partition.commits_at_once:
        return hosted
    return None


def _end_at(frame: memoryview, version: int) -> int:
    """Where what differs from one EndTxn of a producer to its next begins."""
    return len(frame) - _END.size - (version >= _END_FLEXIBLE_FROM)


class KnownAdd:
    """An AddPartitionsToTxn, and its answer where all partitions join."""

    __slots__ = (
        "_request",
        "client_id",
        "joined",
        "partitions",
        "producer",
        "transaction_version",
        "transactional_id",
        "version",
    )

    def __init__(self, request: AddPartitionsToTxnRequest, context: RequestContext) -> None:
        self.version = context.api_version
        self.client_id = context.client_id
        self.transaction_version = add_partitions_to_txn.transaction_version(self.version)
        self._request = request
        self.transactional_id = request.v3_and_below_transactional_id
        self.producer = ProducerIdAndEpoch(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch)
        self.partitions = frozenset(
            (topic.name, index) for topic in request.v3_and_below_topics for index in topic.partitions
        )
        self.joined = self.answer(_NONE)

    def answer(self, code: ErrorCode) -> FixedAnswer:
        """What is answered where the coordinator says this."""
        response = add_partitions_to_txn.answered(self._request, dict.fromkeys(self.partitions, code))
        return FixedAnswer(AddPartitionsToTxnRequest, response, self.version)


class RepeatedAdds(Repeated):
    """Every AddPartitionsToTxn of a client, by all its bytes but the correlation id."""

    def __init__(self, services: Services) -> None:
        self._transactions = services.transactions
        self._partitions = services.partitions
        self._known: dict[bytes, KnownAdd] = {}

    def answer(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """Ask the coordinator and return the frame of the answer; None: nothing was done, it must be read."""
        if len(frame) > KNOWN_BYTES_MAX:
            return None
        version, correlation_id = _read_head(frame)
        known = self._known.get(frame[HEAD_BYTES:].tobytes())
        if known is None or known.version != version:
            return None
        hosted = _settled(known.transactional_id, self._transactions)
        if hosted is None:
            return None
        for topic, index in known.partitions:
            if self._partitions.get(topic, index) is None:
                return None
        connection.client_id = known.client_id
        code = self._transactions.add_hosted_partitions(
            hosted, known.transactional_id, known.producer, known.partitions, known.transaction_version
        )
        if code is _NONE:
            return known.joined.frame(correlation_id)
        return known.answer(add_partitions_to_txn.as_told(code, version)).frame(correlation_id)

    def learn(
        self, frame: memoryview, body_at: int, request: AddPartitionsToTxnRequest, context: RequestContext
    ) -> None:
        """Know this request, whose body begins at `body_at`, when it comes again; if it may be answered so."""
        version = context.api_version
        if version >= _ADD_BATCHED_FROM or len(frame) > KNOWN_BYTES_MAX or not request.v3_and_below_transactional_id:
            return
        if add_partitions_to_txn.names_internal_topic(request) or frame[body_at:] != encode(request, version):
            return
        keep(self._known, frame[HEAD_BYTES:].tobytes(), KnownAdd(request, context))


class KnownEnd:
    """Whose transactions are ended."""

    __slots__ = ("client_id", "transaction_version", "transactional_id", "version")

    def __init__(self, request: EndTxnRequest, context: RequestContext) -> None:
        self.version = context.api_version
        self.transaction_version = end_txn.transaction_version(self.version)
        self.client_id = context.client_id
        self.transactional_id = request.transactional_id


class RepeatedEnds(Repeated):
    """Every EndTxn of a client, by its bytes up to the transactional id but for the correlation id."""

    def __init__(self, services: Services) -> None:
        self._transactions = services.transactions
        self._known: dict[bytes, KnownEnd] = {}

    def answer(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """Ask the coordinator and return the frame of the answer; None: nothing was done, it must be read."""
        version, correlation_id = _read_head(frame)
        end_at = _end_at(frame, version)
        if not HEAD_BYTES < end_at <= KNOWN_BYTES_MAX:
            return None
        known = self._known.get(frame[HEAD_BYTES:end_at].tobytes())
        if known is None or known.version != version:
            return None
        producer_id, epoch, committed = _read_end(frame, end_at)
        # The end of a producer's last epoch takes a new producer id, which waits for the metadata log.
        if committed not in _FLAGS or epoch >= LAST_USABLE_EPOCH or (version >= _END_FLEXIBLE_FROM and frame[-1]):
            return None
        hosted = _settled(known.transactional_id, self._transactions)
        if hosted is None:
            return None
        connection.client_id = known.client_id
        answer = self._transactions.end_hosted_transaction(
            hosted,
            known.transactional_id,
            _new_tuple(ProducerIdAndEpoch, (producer_id, epoch)),
            known.transaction_version,
            is_commit=committed == 1,
        )
        code, producer_id, epoch = answer if answer.code is _NONE else end_txn.as_told(answer, version)
        if version >= _END_TELLS_EPOCH_FROM:
            return _ENDED_WITH_EPOCH.pack(
                _ENDED_WITH_EPOCH.size - LENGTH.size, correlation_id, 0, code, producer_id, epoch
            )
        ended = _FLEXIBLE_ENDED if version >= _END_FLEXIBLE_FROM else _ENDED
        return ended.pack(ended.size - LENGTH.size, correlation_id, 0, code)

    def learn(self, frame: memoryview, body_at: int, request: EndTxnRequest, context: RequestContext) -> None:
        """Know whose request this is, whose body begins at `body_at`, when the next one comes."""
        version = context.api_version
        end_at = _end_at(frame, version)
        if end_at > KNOWN_BYTES_MAX or not request.transactional_id or frame[body_at:] != encode(request, version):
            return
        keep(self._known, frame[HEAD_BYTES:end_at].tobytes(), KnownEnd(request, context))
