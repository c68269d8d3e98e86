"""Fetch 4-18: read record batches from some partitions, waiting until there are enough.

- Of a session only the partitions are read in which something may have changed (`coordinators/session_partitions.py`).
- Answers at once when `min_bytes` are there, when `max_wait_ms` is not positive, or when a partition that was read has
  an error or diverged; else the request is parked in its partitions (`runtime/long_poll.py`). A partition that does not
  exist is told, but is no reason not to wait for the others, as in Kafka; it comes last in the answer.
- `max_bytes` and each partition's maximum hold, but the first partition with data gives one batch however large.
- read_committed reads up to the last stable offset and names the aborted transactions in what it returns.
- There is no other broker, so a fetch that claims to be a replica's is told that it is none
  (NOT_LEADER_OR_FOLLOWER, or UNKNOWN_LEADER_EPOCH where it names an epoch). -2 is a debugging consumer.
- zstd is returned in every version, as Kafka 4 does, which no longer converts what it has for old readers.

Version notes: 5 carries log start offsets, 7 sessions (KIP-227), 9 leader epochs (KIP-320), 10 zstd (KIP-110),
12 is flexible and detects divergence (KIP-595), 13 names topics by id (KIP-516), 15 moves the replica's state,
16 hints at leaders (KIP-951), 17 and 18 serve replicas only.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchResponse,
    LeaderIdAndEpoch,
    PartitionData,
)
from ...protocol.primitives import ZERO_UUID
from ...protocol.record_batch import CorruptBatch
from ...storage.append import OffsetOutOfRange
from ...storage.file_records import FileRecords
from ..coordinators.session_partitions import REPLICA
from ..request import Deferred
from ..runtime.fetch_shape import LOWEST_VERSION, FetchShape
from ..runtime.long_poll import SettledWatch, Watch
from ..runtime.partitions import ANY_EPOCH

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ...protocol.messages.fetch import FetchRequest
    from ..coordinators.session_partitions import Answer, CachedPartition, FetchSession
    from ..request import RequestContext
    from ..runtime.long_poll import ReadCache
    from ..runtime.partitions import Partition
    from ..services import Services

_FIRST_VERSION_WITH_REPLICA_STATE: Final = 15
_FIRST_VERSION_WITH_LEADER_HINTS: Final = 16
_FIRST_VERSION_WITH_TOPIC_IDS: Final = 13
_READ_COMMITTED: Final = 1
_ISOLATION_LEVELS: Final = (0, _READ_COMMITTED)
# What a reader does about these depends on who leads now.
_HINTED: Final = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)
_CONSUMER: Final = -1
_NO_OFFSET: Final = -1
_OFFSET_BYTES: Final = 8


def handle(
    request: FetchRequest, context: RequestContext, services: Services
) -> FetchResponse | Deferred[FetchResponse]:
    """Read now; answer now, or park."""
    if request.isolation_level not in _ISOLATION_LEVELS:
        return _not_read(request, context.api_version)
    fetch = _Fetch(request, context.api_version, services)
    answers = fetch.read(None)
    if (
        request.max_wait_ms <= 0
        or fetch.bytes_read >= fetch.min_bytes
        or fetch.must_answer
        or len(fetch.unreadable) == len(fetch.context.partitions)
    ):
        return fetch.respond(answers)
    return fetch.park(request.max_wait_ms) or fetch.respond(answers)


def _not_read(request: FetchRequest, version: int) -> FetchResponse:
    """Kafka stumbles over the request as a whole; from version 13 on its answer then names no topic."""
    by_name = [] if version >= _FIRST_VERSION_WITH_TOPIC_IDS else request.topics
    return FetchResponse(
        error_code=ErrorCode.UNKNOWN_SERVER_ERROR,
        session_id=request.session_id,
        responses=[
            FetchableTopicResponse(
                topic=topic.topic,
                partitions=[_unread(asked.partition, ErrorCode.UNKNOWN_SERVER_ERROR) for asked in topic.partitions],
            )
            for topic in by_name
        ],
    )


class _Fetch:
    """One request on its way: reads its partitions, perhaps twice, and shapes the answer. A `FetchOperation`."""

    __slots__ = (
        "_is_committed",
        "_kind",
        "_max_bytes",
        "_replica_id",
        "_services",
        "_session",
        "_shape",
        "_version",
        "bytes_read",
        "context",
        "min_bytes",
        "must_answer",
        "unreadable",
    )

    def __init__(self, request: FetchRequest, version: int, services: Services) -> None:
        self._services = services
        self._replica_id = _replica_id(request, version)
        self._version = version
        self.context = services.fetch_sessions.open(
            request,
            version,
            services.partitions.topic_name,
            services.clock.monotonic_ms(),
            is_privileged=self._replica_id >= 0,
        )
        self._session = self.context.session
        self._is_committed = request.isolation_level == _READ_COMMITTED
        self._kind = REPLICA if self._replica_id >= 0 else request.isolation_level
        self._max_bytes = min(request.max_bytes, services.config.fetch_max_bytes)
        self.min_bytes = min(request.min_bytes, self._max_bytes)
        self.bytes_read = 0
        self.must_answer = False
        self._shape: FetchShape | None = None
        self.unreadable: list[Answer] = []
        """Partitions that do not exist."""

    def read(self, cache: ReadCache | None) -> list[Answer]:
        """Read the partitions in order, as far as the limits allow; leave out what an incremental fetch need not tell.

        `cache` holds what other fetches have read at this moment.
        """
        get_partition = self._services.partitions.get
        answers: list[Answer] = []
        self.unreadable = []
        bytes_read = 0
        left = self._max_bytes
        for wanted in self.context.to_read(self._kind):
            topic = wanted.topic
            partition = None if topic is None else get_partition(topic, wanted.partition)
            if partition is None:
                self.unreadable.append((wanted, _unknown(wanted)))
                continue
            data = self._read_partition(wanted, partition, left, not bytes_read, cache)
            if data is not None:
                size = len(data.records)  # type: ignore[arg-type]
                bytes_read += size
                left = max(left - size, 0)
                answers.append((wanted, data))
        self.bytes_read = bytes_read
        return answers

    def answer(self, cache: ReadCache | None, takes_body: bool) -> FetchResponse | bytes:
        """Read again what was parked, and answer; or with what another one that asks for the same was answered."""
        key = None if cache is None else self._shared_key(takes_body)
        if cache is None or key is None:
            answers = self.read(cache)
            return (self._body(answers) if takes_body else None) or self.respond(answers)
        shared = cache.answers.get(key)
        if shared is None:
            answers = self.read(cache)
            shared = (self._body(answers) if takes_body else None) or self.respond(answers).responses
            cache.answers[key] = shared
        return shared if isinstance(shared, bytes) else FetchResponse(responses=shared)

    def _body(self, answers: list[Answer]) -> bytes | None:
        """The bytes of an answer that is nothing but one partition's records."""
        shape = self._shape
        return None if shape is None or len(answers) != 1 else shape.body(answers[0][1])

    def _shared_key(self, takes_body: bool) -> Hashable | None:
        """All that the answer depends on, where it is one partition's and no session's."""
        context = self.context
        if self._session is not None or context.opens_session or len(context.partitions) != 1:
            return None
        (wanted,) = context.partitions
        return (
            wanted.key,
            wanted.topic,
            wanted.fetch_offset,
            wanted.max_bytes,
            wanted.current_leader_epoch,
            wanted.last_fetched_epoch,
            self._max_bytes,
            self._kind,
            self._version,
            takes_body,
        )

    def respond(self, answers: list[Answer]) -> FetchResponse:
        """The response, as the session shortens it."""
        context = self.context
        now_ms = self._services.clock.monotonic_ms() if context.opens_session else 0
        error, session_id, told = context.finish(answers + self.unreadable, now_ms)
        return FetchResponse(error_code=error, session_id=session_id, responses=_by_topic(told))

    def park(self, max_wait_ms: int) -> Deferred[FetchResponse] | None:
        """Wait for more; None when the partitions cannot be watched because a disk fails."""
        get_partition = self._services.partitions.get
        watches = []
        try:
            for wanted in self.context.to_read(self._kind):
                partition = None if wanted.topic is None else get_partition(wanted.topic, wanted.partition)
                if partition is not None:
                    watches.append(
                        Watch(partition, wanted.fetch_offset, wanted.max_bytes, is_committed=self._is_committed)
                    )
                    self._shape = self._shape_of(partition, wanted)
            deferred: Deferred[FetchResponse] = Deferred()
            self._services.fetches.park(self, deferred, watches, max_wait_ms, self._session)
        except OSError:
            return None
        return deferred

    def _shape_of(self, partition: Partition, wanted: CachedPartition) -> FetchShape | None:
        """How the answer looks, if it will be nothing but this partition's records."""
        context, version = self.context, self._version
        if self._session is not None or context.opens_session or len(context.partitions) != 1:
            return None
        if version < LOWEST_VERSION:
            return None
        key = (version, self._is_committed)
        shape = partition.fetch_shapes.get(key)
        if shape is None:
            shape = partition.fetch_shapes[key] = FetchShape(wanted, version, is_committed=self._is_committed)
        return shape

    def _read_partition(
        self, wanted: CachedPartition, partition: Partition, left: int, is_first: bool, cache: ReadCache | None
    ) -> PartitionData | None:
        problem = self._problem(wanted, partition)
        if problem is not None:
            return self._not_served(wanted, partition, problem)
        log = partition.log
        offset = wanted.fetch_offset
        high_watermark = log.high_watermark
        stable_offset = log.last_stable_offset
        end_offset = stable_offset if self._is_committed else high_watermark
        if wanted.last_fetched_epoch >= 0:
            diverging = _diverging_epoch(partition, wanted)
            if diverging is not None:
                return self._diverged(wanted, partition, diverging)
        aborted: list[AbortedTransaction] | None = [] if self._is_committed else None
        if offset == end_offset:
            if (
                self._session is not None
                and wanted.high_watermark == high_watermark
                and wanted.log_start_offset == log.log_start_offset
            ):
                self._settle(self._session, wanted, partition)
                return None
            records: bytes | FileRecords = b""
        else:
            max_bytes = wanted.max_bytes if wanted.max_bytes < left else left
            if max_bytes < 0:
                return self._error(wanted, ErrorCode.UNKNOWN_SERVER_ERROR)
            try:
                records = partition.read(offset, max_bytes, end_offset, is_first, cache)
                if aborted is not None and records:
                    aborted = _aborted(partition, offset, records)
            except (OffsetOutOfRange, OSError, CorruptBatch) as error:
                return self._error(wanted, partition.read_failed(error))
        return PartitionData(
            partition_index=wanted.partition,
            high_watermark=high_watermark,
            last_stable_offset=stable_offset,
            log_start_offset=log.log_start_offset,
            aborted_transactions=aborted,
            records=records,  # type: ignore[arg-type] # a reader's type: who writes the response knows of files too
        )

    def _settle(self, session: FetchSession, wanted: CachedPartition, partition: Partition) -> None:
        """Read this partition no more until something happens to it; a follower's may diverge at any time."""
        if wanted.last_fetched_epoch < 0 and session.is_open:
            with suppress(OSError):  # it is read again, then
                SettledWatch(session, wanted, partition, is_committed=self._is_committed)

    def _problem(self, wanted: CachedPartition, partition: Partition) -> ErrorCode | None:
        """What keeps this partition from being read by this request."""
        if wanted.topic_id is not ZERO_UUID and wanted.topic_id != partition.topic_id:
            return ErrorCode.INCONSISTENT_TOPIC_ID
        # Unlike other requests, a fetch may say anything below zero when it believes in no epoch.
        epoch = wanted.current_leader_epoch if wanted.current_leader_epoch >= 0 else ANY_EPOCH
        problem = partition.problem_with_epoch(epoch)
        if problem is None and self._replica_id >= 0:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER if epoch == ANY_EPOCH else ErrorCode.UNKNOWN_LEADER_EPOCH
        return problem

    def _not_served(self, wanted: CachedPartition, partition: Partition, problem: ErrorCode) -> PartitionData:
        answer = self._error(wanted, problem)
        if self._version >= _FIRST_VERSION_WITH_LEADER_HINTS and problem in _HINTED:
            node_id = self._services.metadata.image.node_id
            answer.current_leader = LeaderIdAndEpoch(leader_id=node_id, leader_epoch=partition.leader_epoch)
        return answer

    def _diverged(
        self, wanted: CachedPartition, partition: Partition, diverging: EpochEndOffset | ErrorCode
    ) -> PartitionData:
        if isinstance(diverging, ErrorCode):
            return self._error(wanted, diverging)
        self.must_answer = True
        log = partition.log
        return PartitionData(
            partition_index=wanted.partition,
            high_watermark=log.high_watermark,
            last_stable_offset=log.last_stable_offset,
            log_start_offset=log.log_start_offset,
            diverging_epoch=diverging,
            aborted_transactions=None,
            records=b"",
        )

    def _error(self, wanted: CachedPartition, code: ErrorCode) -> PartitionData:
        self.must_answer = True
        return PartitionData(
            partition_index=wanted.partition,
            error_code=code,
            high_watermark=_NO_OFFSET,
            aborted_transactions=None,
            records=b"",
        )


def _replica_id(request: FetchRequest, version: int) -> int:
    if version < _FIRST_VERSION_WITH_REPLICA_STATE:
        return request.replica_id
    state = request.replica_state
    return _CONSUMER if state is None else state.replica_id


def _unknown(wanted: CachedPartition) -> PartitionData:
    code = ErrorCode.UNKNOWN_TOPIC_ID if wanted.topic is None else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return _unread(wanted.partition, code)


def _unread(index: int, code: ErrorCode) -> PartitionData:
    return PartitionData(
        partition_index=index,
        error_code=code,
        high_watermark=_NO_OFFSET,
        aborted_transactions=[],
        records=b"",
    )


def _diverging_epoch(partition: Partition, wanted: CachedPartition) -> EpochEndOffset | ErrorCode | None:
    """Where the reader's log and ours part, when they do (KIP-595)."""
    log = partition.log
    epoch, end_offset = log.leader_epochs.end_offset_for(wanted.last_fetched_epoch, log.log_end_offset)
    if epoch < 0 or end_offset < 0 or wanted.fetch_offset < log.log_start_offset:
        return ErrorCode.OFFSET_OUT_OF_RANGE
    if epoch < wanted.last_fetched_epoch or end_offset < wanted.fetch_offset:
        return EpochEndOffset(epoch=epoch, end_offset=end_offset)
    return None


def _aborted(partition: Partition, fetch_offset: int, records: bytes | FileRecords) -> list[AbortedTransaction]:
    """The aborted transactions that overlap what is returned. Raises OSError, CorruptBatch."""
    if isinstance(records, FileRecords):
        batch_offset = records.base_offset
    else:
        batch_offset = int.from_bytes(records[:_OFFSET_BYTES], "big")
    return [
        AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
        for aborted in partition.log.aborted_in(fetch_offset, batch_offset, len(records))
    ]


def _by_topic(answers: list[Answer]) -> list[FetchableTopicResponse]:
    """Group what stands together; the order of the partitions stays as it is."""
    topics: list[FetchableTopicResponse] = []
    last: str | bytes | None = None
    for wanted, data in answers:
        key = wanted.key[0]
        if key == last:
            topics[-1].partitions.append(data)
        else:
            last = key
            topics.append(FetchableTopicResponse(topic=wanted.topic or "", topic_id=wanted.topic_id, partitions=[data]))
    return topics
