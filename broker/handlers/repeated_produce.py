"""Answers a produce request that repeats an earlier one in all but its batch, without reading it again.

A producer asks the same of the same partition time after time: only the correlation id and the batch differ. The first
such request is read as every other; what stands around its batch is then known by its bytes, and so is the answer, in
which only offsets and the log append time change. The batch goes the way of all others (`Partition.append_quietly`).
In a transaction the coordinator is asked as for all others (`is_refused`).
What is not exactly like this is left to `produce.handle`: acks 0, several partitions, waiting for the disk or for the
transaction before, what the coordinator refuses.
That leaves 8 µs of 20 for all that is done between receiving and sending one small batch; in an open transaction it
takes 76,000 instructions.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ...protocol.api_keys import ApiKey
from ...protocol.compiler import encode
from ...protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from ...protocol.primitives import read_uvarint, uvarint
from ...protocol.record_batch import ATTRIBUTES_POSITION, HEADER_BYTES, TRANSACTIONAL_BIT
from ...storage.append import AppendError
from ..metadata.topic_names import is_internal
from ..runtime.long_poll import partition_grew
from ..runtime.transaction_verification import is_refused, produce_support
from .produce import ACKS_ANSWERED, FIRST_VERSION_WITH_TOPIC_IDS
from .produce_refusals import rejected
from .repeated import HEAD_BYTES, KNOWN_BYTES_MAX, LENGTH, FixedAnswer, Repeated, behind_correlation_id, keep, read_head

if TYPE_CHECKING:
    from ..request import ConnectionInfo, RequestContext
    from ..runtime.partitions import Partition
    from ..services import Services

# Before version 7 a batch must not have every codec.
_LOWEST: Final = 7
_FLEXIBLE_FROM: Final = ProduceRequest.flexible.lowest

# Behind the batch: the partition, the topic and the request have no tagged fields.
_NO_TAGS: Final = b"\0\0\0"
_ATTRIBUTES: Final = ATTRIBUTES_POSITION + 1
_read_producer = struct.Struct(">43xqh").unpack_from
_OFFSETS: Final = struct.Struct(">qqq")
_PROBE: Final = (0x0123456789ABCDEF, 0x123456789ABCDEF0, 0x23456789ABCDEF01)

_PRODUCE: Final = int(ApiKey.PRODUCE)
assert _PRODUCE == 0


class KnownProduce:
    """A partition that is produced to in one way, and the frame of its answers."""

    __slots__ = (
        "_head",
        "_size",
        "_struct",
        "_tail",
        "by_id",
        "client_id",
        "index",
        "support",
        "topic",
        "topic_id",
        "transactional_id",
        "version",
    )

    def __init__(self, request: ProduceRequest, context: RequestContext) -> None:
        topic = request.topic_data[0]
        self.version = context.api_version
        self.client_id = context.client_id
        self.by_id = self.version >= FIRST_VERSION_WITH_TOPIC_IDS
        self.transactional_id = request.transactional_id
        self.support = produce_support(self.version)
        self.topic = topic.name
        self.topic_id = topic.topic_id
        self.index = topic.partition_data[0].index
        offset, append_time_ms, start = _PROBE
        probe = self.response(
            PartitionProduceResponse(
                index=self.index, base_offset=offset, log_append_time_ms=append_time_ms, log_start_offset=start
            )
        )
        body = behind_correlation_id(ProduceRequest, probe, self.version)
        self._head, self._tail = body.split(_OFFSETS.pack(*_PROBE))
        self._struct = struct.Struct(f">ii{len(self._head)}sqqq{len(self._tail)}s")
        self._size = self._struct.size - LENGTH.size

    def response(self, answer: PartitionProduceResponse) -> ProduceResponse:
        """The response with this answer."""
        topic = TopicProduceResponse(name=self.topic, topic_id=self.topic_id, partition_responses=[answer])
        return ProduceResponse(responses=[topic])

    def frame(self, correlation_id: int, base_offset: int, log_append_time_ms: int, log_start_offset: int) -> bytes:
        """The whole answer to a batch that was appended."""
        return self._struct.pack(
            self._size, correlation_id, self._head, base_offset, log_append_time_ms, log_start_offset, self._tail
        )

    def refusal(self, correlation_id: int, answer: PartitionProduceResponse) -> bytes:
        """The whole answer to a batch that was not."""
        return FixedAnswer(ProduceRequest, self.response(answer), self.version).frame(correlation_id)


class RepeatedProduces(Repeated):
    """Every request that may be repeated, by all its bytes before the batch but the correlation id."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._commits = services.commits
        self._find = services.partitions.find
        self._clock = services.clock
        self._known: dict[bytes, KnownProduce] = {}

    def answer(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """Append the batch of a request that is known and return the frame of the answer; None: it must be read."""
        batch_at = connection.varies_at.get(_PRODUCE, 0)
        if not 0 < batch_at <= len(frame) - HEADER_BYTES:
            return None
        # The API's key is 0, so what stands before the correlation id is the version.
        version, correlation_id = read_head(frame)
        known = self._known.get(frame[HEAD_BYTES:batch_at].tobytes())
        if known is None or known.version != version:
            return None
        records = _batch(frame, batch_at, version)
        partition = self._find(known.topic, known.topic_id, known.index, by_id=known.by_id)
        if records is None or partition is None or not partition.commits_at_once:
            return None
        if known.transactional_id is None:
            if records[_ATTRIBUTES] & TRANSACTIONAL_BIT:
                return None
        elif not self._may_take(partition, records, known):
            return None
        connection.client_id = known.client_id
        try:
            appended = partition.append_quietly(records, self._clock.now_ms())
        except AppendError as error:
            answer = rejected(known.index, error, records, partition.log.log_start_offset)
            return known.refusal(correlation_id, answer)
        if partition.watches:
            partition_grew(partition)
        return known.frame(correlation_id, appended.base_offset, appended.log_append_time_ms, appended.log_start_offset)

    def learn(self, frame: memoryview, body_at: int, request: ProduceRequest, context: RequestContext) -> None:
        """Know this request, whose body begins at `body_at`, when it comes again; if it may be answered so."""
        topics = request.topic_data
        if len(topics) != 1 or len(topics[0].partition_data) != 1 or context.api_version < _LOWEST:
            return
        if request.acks not in ACKS_ANSWERED:
            return
        records = topics[0].partition_data[0].records
        if not records:
            return
        version = context.api_version
        is_flexible = version >= _FLEXIBLE_FROM
        length = uvarint(len(records) + 1) if is_flexible else LENGTH.pack(len(records))
        batch_at = len(frame) - (len(_NO_TAGS) if is_flexible else 0) - len(records) - len(length)
        if not HEAD_BYTES < batch_at <= KNOWN_BYTES_MAX:
            return
        context.connection.varies_at[_PRODUCE] = batch_at
        key = frame[HEAD_BYTES:batch_at].tobytes()
        known = self._known.get(key)
        if known is not None and known.version == version:
            return
        # What was understood must be all that was said, or what stands where is not known.
        if frame[body_at:] != encode(request, version):
            return
        known = KnownProduce(request, context)
        partition = self._find(known.topic, known.topic_id, known.index, by_id=known.by_id)
        if partition is None or is_internal(partition.topic):
            return
        keep(self._known, key, known)

    def _may_take(self, partition: Partition, records: memoryview, known: KnownProduce) -> bool:
        """Whether the coordinator has nothing against a batch, and what it wrote for it need not wait for the disk.

        It is not asked where the producer has a transaction open. If not, the handler asks again and is told the same.
        """
        assert known.transactional_id is not None
        producer_id, epoch = _read_producer(records)
        if partition.offline_reason is None and partition.log.producers.has_ongoing_txn(producer_id, epoch):
            return True
        if is_refused(partition, records, known.transactional_id, known.support, self._services):
            return False
        return not self._commits.pending


def _batch(frame: memoryview, position: int, version: int) -> memoryview | None:
    """The batch, if all that is left is a batch."""
    if version >= _FLEXIBLE_FROM:
        length, position = read_uvarint(frame, position)
        end = position + length - 1
        if frame[end:].tobytes() != _NO_TAGS:
            return None
    else:
        (length,) = LENGTH.unpack_from(frame, position)
        position += LENGTH.size
        end = position + length
        if end != len(frame):
            return None
    records = frame[position:end]
    return records if len(records) >= HEADER_BYTES else None
