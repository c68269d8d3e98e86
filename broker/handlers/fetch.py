"""Fetch 4-18: read record batches from some partitions, waiting until there are enough.

- Answers at once when `min_bytes` are there, when `max_wait_ms` is not positive, or when any partition has an error
  or diverged; else the request is parked in its partitions (`runtime/long_poll.py`).
- `max_bytes` and each partition's maximum hold, but the first partition with data gives one batch however large.
- read_committed reads up to the last stable offset and names the aborted transactions in what it returns.
- Consumers fetch on behalf of themselves: replica ids are ignored, since there is no other broker.

Version notes: 5 carries log start offsets, 7 sessions (KIP-227), 9 leader epochs (KIP-320), 10 zstd (KIP-110),
12 is flexible and detects divergence (KIP-595), 13 names topics by id (KIP-516), 15 moves the replica's state,
16 hints at leaders (KIP-951), 17 and 18 serve replicas only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.compression import Compression
from ...protocol.errors import ErrorCode
from ...protocol.messages.fetch import AbortedTransaction, EpochEndOffset, FetchResponse, PartitionData
from ...protocol.record_batch import ATTRIBUTES_POSITION, COMPRESSION_MASK
from ...storage.append import OffsetOutOfRange
from ..request import Deferred
from ..runtime.long_poll import WaitingRead

if TYPE_CHECKING:
    from ...protocol.messages.fetch import FetchRequest
    from ..coordinators.fetch_session import FetchContext, FetchItem
    from ..request import RequestContext
    from ..runtime.partitions import Partition
    from ..services import Services

_FIRST_VERSION_WITH_ZSTD = 10
_FIRST_VERSION_WITH_TOPIC_IDS = 13
_READ_COMMITTED = 1
_NO_OFFSET = -1


def handle(
    request: FetchRequest, context: RequestContext, services: Services
) -> FetchResponse | Deferred[FetchResponse]:
    """Read now; answer now, or park."""
    now_ms = services.clock.monotonic_ms()
    topics = services.metadata.image.topics_by_id

    def topic_name(topic_id: bytes) -> str | None:
        topic = topics.get(topic_id)
        return None if topic is None else topic.name

    fetched = services.fetch_sessions.open(request, context.api_version, topic_name, now_ms)
    if fetched.error:
        return FetchResponse(error_code=fetched.error)
    fetch = _Fetch(request, context.api_version, fetched, services)
    results = fetch.read()
    if request.max_wait_ms <= 0 or not fetched.items or fetch.must_answer or fetch.bytes_read >= fetch.min_bytes:
        return fetch.response(results)
    return fetch.park(results)


class _Fetch:
    """One request on its way: reads its partitions, perhaps twice, and shapes the answer."""

    __slots__ = (
        "bytes_read",
        "context",
        "deferred",
        "max_bytes",
        "min_bytes",
        "must_answer",
        "request",
        "services",
        "version",
    )

    def __init__(self, request: FetchRequest, version: int, context: FetchContext, services: Services) -> None:
        self.request = request
        self.version = version
        self.context = context
        self.services = services
        self.max_bytes = min(request.max_bytes, services.config.fetch_max_bytes)
        self.min_bytes = min(request.min_bytes, self.max_bytes)
        self.bytes_read = 0
        self.must_answer = False
        self.deferred: Deferred[FetchResponse] | None = None

    def read(self) -> list[tuple[FetchItem, PartitionData]]:
        """Read every partition in order, as far as `max_bytes` allows."""
        self.bytes_read = 0
        results = []
        left = self.max_bytes
        for item in self.context.items:
            data = self._read_partition(item, left, is_first=self.bytes_read == 0)
            size = len(data.records or b"")
            self.bytes_read += size
            left = max(left - size, 0)
            results.append((item, data))
        return results

    def response(self, results: list[tuple[FetchItem, PartitionData]]) -> FetchResponse:
        """The answer, as the session shortens it."""
        session_id, topics = self.context.finish(results)
        return FetchResponse(session_id=session_id, responses=topics)

    def park(self, results: list[tuple[FetchItem, PartitionData]]) -> Deferred[FetchResponse]:
        """Wait for more; what was read so far is read again then."""
        deferred: Deferred[FetchResponse] = Deferred()
        self.deferred = deferred
        reads = []
        for item, data in results:
            partition = self._partition(item)
            if isinstance(partition, ErrorCode):
                continue
            reads.append(
                WaitingRead(
                    partition,
                    item.fetch_offset,
                    item.max_bytes,
                    len(data.records or b""),
                    reads_committed=self.request.isolation_level == _READ_COMMITTED,
                )
            )
        missing = self.min_bytes - self.bytes_read
        parked = self.services.fetches.park(reads, missing, self.request.max_wait_ms, self._answer_parked)
        deferred.on_abandon = parked.forget_quietly
        return deferred

    def _answer_parked(self) -> None:
        assert self.deferred is not None
        self.deferred.complete(self.response(self.read()))

    def _partition(self, item: FetchItem) -> Partition | ErrorCode:
        """The partition that an item means, or why there is none."""
        if item.topic is None:
            return ErrorCode.UNKNOWN_TOPIC_ID
        partition = self.services.partitions.get(item.topic, item.index)
        if partition is None:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if self.version >= _FIRST_VERSION_WITH_TOPIC_IDS and partition.topic_id != item.topic_id:
            return ErrorCode.INCONSISTENT_TOPIC_ID
        return partition.problem_with_epoch(item.current_leader_epoch) or partition

    def _read_partition(self, item: FetchItem, left: int, *, is_first: bool) -> PartitionData:
        partition = self._partition(item)
        if isinstance(partition, ErrorCode):
            return self._error(item, partition)
        log = partition.log
        if item.last_fetched_epoch >= 0:
            diverging = _diverging_epoch(partition, item)
            if isinstance(diverging, ErrorCode):
                return self._error(item, diverging)
            if diverging is not None:
                self.must_answer = True
                return self._data(item, partition, b"", diverging)
        committed = self.request.isolation_level == _READ_COMMITTED
        up_to = log.last_stable_offset if committed else log.high_watermark
        try:
            records = partition.read(
                item.fetch_offset, min(item.max_bytes, left), up_to_offset=up_to, min_one_batch=is_first
            )
        except OffsetOutOfRange:
            return self._error(item, ErrorCode.OFFSET_OUT_OF_RANGE)
        except OSError as error:
            partition.take_offline(str(error))
            return self._error(item, ErrorCode.KAFKA_STORAGE_ERROR)
        if self.version < _FIRST_VERSION_WITH_ZSTD and _is_zstd(records):
            return self._error(item, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
        return self._data(item, partition, records)

    def _data(
        self, item: FetchItem, partition: Partition, records: bytes, diverging: EpochEndOffset | None = None
    ) -> PartitionData:
        log = partition.log
        committed = self.request.isolation_level == _READ_COMMITTED
        return PartitionData(
            partition_index=item.index,
            high_watermark=log.high_watermark,
            last_stable_offset=log.last_stable_offset,
            log_start_offset=log.log_start_offset,
            diverging_epoch=diverging,
            aborted_transactions=_aborted(partition, item.fetch_offset, records) if committed else None,
            records=records,
        )

    def _error(self, item: FetchItem, code: ErrorCode) -> PartitionData:
        self.must_answer = True
        return PartitionData(
            partition_index=item.index,
            error_code=code,
            high_watermark=_NO_OFFSET,
            aborted_transactions=None,
            records=b"",
        )


def _diverging_epoch(partition: Partition, item: FetchItem) -> EpochEndOffset | ErrorCode | None:
    """Where the reader's log and ours part, when they do (KIP-595)."""
    log = partition.log
    epoch, end_offset = log.leader_epochs.end_offset_for(item.last_fetched_epoch, log.log_end_offset)
    if epoch < 0 or end_offset < 0:
        return ErrorCode.OFFSET_OUT_OF_RANGE
    if epoch < item.last_fetched_epoch or end_offset < item.fetch_offset:
        return EpochEndOffset(epoch=epoch, end_offset=end_offset)
    return None


def _aborted(partition: Partition, fetch_offset: int, records: bytes) -> list[AbortedTransaction]:
    """The aborted transactions that overlap what is returned."""
    if not records:
        return []
    log = partition.log
    return [
        AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
        for aborted in log.aborted_transactions(fetch_offset, log.last_stable_offset)
    ]


def _is_zstd(records: bytes) -> bool:
    position = ATTRIBUTES_POSITION + 1
    return len(records) > position and records[position] & COMPRESSION_MASK == Compression.ZSTD
