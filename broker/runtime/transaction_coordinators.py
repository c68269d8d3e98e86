"""Runs the transaction shards over the partitions of `__transaction_state`.

A decision's records are appended as one batch and replayed, and only then is it true; where `flush.messages` asks for
the disk, the answer waits for it, and so does what follows from it. When a Prepare is committed its markers are
written, then the Complete. Logs are loaded a few records at a time: what is not loaded yet answers
COORDINATOR_LOAD_IN_PROGRESS. Kafka: `TransactionCoordinator`, `TransactionStateManager`.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode, ProtocolError
from ...storage.append import AppendError
from ..coordinators.group_effects import append_error
from ..coordinators.transaction_decision import Answer, Decision
from ..coordinators.transaction_shard import TransactionShard
from ..coordinators.transaction_state import FLEXIBLE_RECORDS_SINCE, PREPARED
from ..metadata.cluster_metadata import MetadataListener
from ..metadata.refusal import Refused
from ..metadata.topic_names import TRANSACTION_STATE_TOPIC
from .coordinator_partitions import partition_for
from .transaction_completion import RETRY_BACKOFF_MS, TransactionCompletion
from .transaction_log import TransactionLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..clock import Clock
    from ..coordinators.transaction_decision import Transaction
    from ..coordinators.transaction_init import ProducerIdAndEpoch
    from ..coordinators.transaction_metadata import TopicPartition
    from ..coordinators.transaction_records import TransactionRecord
    from ..coordinators.transaction_settings import TransactionSettings
    from ..metadata.partition_image import TopicImage
    from .commit_barrier import CommitBarrier
    from .partitions import Partitions
    from .timers import TimerHandle, Timers
    from .transaction_markers import TransactionMarkers

logger = logging.getLogger(__name__)

RECORDS_PER_TURN: Final = 1000
# To look a member up in its enum takes 0.1 µs, and each request asks several times.
_NONE: Final = ErrorCode.NONE


class HostedTransactions:
    """A shard and the log that it lives in."""

    __slots__ = ("is_given_up", "log", "problem", "shard")

    def __init__(self, shard: TransactionShard, log: TransactionLog) -> None:
        self.shard = shard
        self.log = log
        self.problem = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        """Why it cannot be asked; NONE once it is loaded."""
        self.is_given_up = False


class TransactionCoordinators(MetadataListener):
    """Every transactional id of the broker, by the partition that keeps it."""

    def __init__(
        self,
        *,
        partitions: Partitions,
        markers: TransactionMarkers,
        clock: Clock,
        timers: Timers,
        settings: TransactionSettings,
        new_producer_id: Callable[[], int],
        server_transaction_version: Callable[[], int],
        commits: CommitBarrier,
    ) -> None:
        """`server_transaction_version` is what the cluster has finalized; `new_producer_id` may raise Refused."""
        self._partitions = partitions
        self._markers = markers
        self._clock = clock
        self._timers = timers
        self._settings = settings
        self._new_producer_id = new_producer_id
        self._server_version = server_transaction_version
        self._commits = commits
        self._hosted: list[HostedTransactions] = []
        self._loading: deque[tuple[HostedTransactions, int]] = deque()
        self._duties: list[TimerHandle] = []

    # Life

    def start(self) -> None:
        """Begin to bring back every transactional id that the log knows, and to look for what is overdue."""
        self._host_new_partitions()
        self._schedule(self._settings.timeout_check_interval_ms, self._abort_timed_out)
        self._schedule(self._settings.expiration_check_interval_ms, self._expire)

    def stop(self) -> None:
        """Give all up; what is half done is taken up again by the next start."""
        for duty in self._duties:
            duty.cancel()
        self._unload()

    def topic_created(self, topic: TopicImage) -> None:
        """Host the shards of `__transaction_state` when it comes to be."""
        if topic.name == TRANSACTION_STATE_TOPIC:
            self._host_new_partitions()

    def topic_deleted(self, topic: TopicImage) -> None:
        """Forget all transactional ids with their topic."""
        if topic.name == TRANSACTION_STATE_TOPIC:
            self._unload()

    def topic_returned(self, topic: str) -> None:
        """Host what could not be hosted while a partition was off line."""
        if topic == TRANSACTION_STATE_TOPIC:
            self._host_new_partitions()

    def _host_new_partitions(self) -> None:
        if self._partitions.is_partly_offline(TRANSACTION_STATE_TOPIC):
            # Which partition keeps a transactional id depends on how many there are: all or none.
            logger.error("no transaction is served, since a partition of %s is off line", TRANSACTION_STATE_TOPIC)
            return
        while (partition := self._partitions.get(TRANSACTION_STATE_TOPIC, len(self._hosted))) is not None:
            hosted = HostedTransactions(TransactionShard(self._new_producer_id), TransactionLog(partition))
            self._hosted.append(hosted)
            self._loading.append((hosted, partition.log.log_start_offset))
        self._load_some()

    def _unload(self) -> None:
        for hosted in self._hosted:
            hosted.is_given_up = True
        self._hosted = []
        self._loading.clear()

    # Loading

    @property
    def is_loading(self) -> bool:
        """Whether some log has not been read to its end."""
        return bool(self._loading)

    def _load_some(self) -> None:
        """Read the next records; the rest has its turn after the requests that wait."""
        room = RECORDS_PER_TURN
        while self._loading and room > 0:
            hosted, offset = self._loading.popleft()
            try:
                records, next_offset = hosted.log.read(offset, room)
            except (OSError, ProtocolError) as error:
                self._give_up_loading(hosted, error)
                continue
            for record in records:
                hosted.shard.replay(record)
            room -= len(records)
            if next_offset is None:
                self._loaded(hosted)
            else:
                self._loading.appendleft((hosted, next_offset))
        if self._loading:
            self._timers.schedule(self._clock.monotonic_ms(), self._load_some)

    def _give_up_loading(self, hosted: HostedTransactions, error: Exception) -> None:
        """Serve none of its transactional ids: what was read of them may be long over, and their markers owed.

        Kafka goes on with what it has read; as with a group's partition, clients are told to look elsewhere instead.
        """
        logger.error(
            "%s: its transactions are not served, since they cannot be read: %s", hosted.log.partition.name, error
        )
        hosted.problem = ErrorCode.NOT_COORDINATOR
        hosted.shard = TransactionShard(self._new_producer_id)

    def _loaded(self, hosted: HostedTransactions) -> None:
        hosted.problem = _NONE
        shard = hosted.shard
        if shard.transactions:
            logger.info("%s: %d transactional ids", hosted.log.partition.name, len(shard.transactions))
        for transactional_id in shard.prepared_ids():
            self._complete(hosted, transactional_id, self._clock.now_ms())

    # Looking

    def hosting(self, transactional_id: str) -> HostedTransactions | ErrorCode:
        """Where a transactional id lives, or why it cannot be asked.

        COORDINATOR_LOAD_IN_PROGRESS passes; NOT_COORDINATOR may not, where the partition cannot be read.
        """
        if not self._hosted:
            return ErrorCode.NOT_COORDINATOR
        hosted = self._hosted[partition_for(transactional_id, len(self._hosted))]
        return hosted if hosted.problem is _NONE else hosted.problem

    def transactions(self) -> Iterator[Transaction]:
        """Every transactional id that is loaded."""
        for hosted in self._hosted:
            yield from hosted.shard.transactions.values()

    # Requests

    def init_producer_id(self, transactional_id: str, timeout_ms: int, expected: ProducerIdAndEpoch | None) -> Answer:
        """Let a producer begin."""
        if not transactional_id:
            return Answer(ErrorCode.INVALID_REQUEST)
        if not 0 < timeout_ms <= self._settings.timeout_max_ms:
            return Answer(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        hosted = self.hosting(transactional_id)
        if not isinstance(hosted, HostedTransactions):
            return Answer(hosted)
        now_ms = self._clock.now_ms()
        try:
            decision = hosted.shard.init_producer_id(
                transactional_id, timeout_ms, expected, self._server_version(), now_ms
            )
        except Refused as error:
            return Answer(error.code)
        return self._answer(hosted, decision, now_ms)

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: frozenset[TopicPartition],
        transaction_version: int,
    ) -> ErrorCode:
        """Let partitions join a transaction."""
        if not transactional_id:
            return ErrorCode.INVALID_REQUEST
        hosted = self.hosting(transactional_id)
        if not isinstance(hosted, HostedTransactions):
            return hosted
        return self.add_hosted_partitions(hosted, transactional_id, producer, partitions, transaction_version)

    def add_hosted_partitions(
        self,
        hosted: HostedTransactions,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: frozenset[TopicPartition],
        transaction_version: int,
    ) -> ErrorCode:
        """The same for who has looked up where the transactional id lives."""
        now_ms = self._clock.now_ms()
        decision = hosted.shard.add_partitions(transactional_id, producer, partitions, transaction_version, now_ms)
        return self._answer(hosted, decision, now_ms).code

    def verify_partitions(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partitions: frozenset[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        """Ask whether partitions are part of a transaction."""
        return {place: self.verify_partition(transactional_id, producer, place) for place in partitions}

    def verify_partition(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partition: TopicPartition
    ) -> ErrorCode:
        """Ask whether a partition is part of a transaction."""
        if not transactional_id:
            return ErrorCode.INVALID_REQUEST
        hosted = self.hosting(transactional_id)
        if not isinstance(hosted, HostedTransactions):
            return hosted
        return hosted.shard.verify_partition(transactional_id, producer, partition)

    def end_transaction(
        self, transactional_id: str, producer: ProducerIdAndEpoch, transaction_version: int, *, is_commit: bool
    ) -> Answer:
        """Commit or abort."""
        if not transactional_id:
            return Answer(ErrorCode.INVALID_REQUEST)
        hosted = self.hosting(transactional_id)
        if not isinstance(hosted, HostedTransactions):
            return Answer(hosted)
        return self.end_hosted_transaction(hosted, transactional_id, producer, transaction_version, is_commit=is_commit)

    def end_hosted_transaction(
        self,
        hosted: HostedTransactions,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        transaction_version: int,
        *,
        is_commit: bool,
    ) -> Answer:
        """The same for who has looked up where the transactional id lives."""
        now_ms = self._clock.now_ms()
        try:
            decision = hosted.shard.end_transaction(
                transactional_id, producer, transaction_version, now_ms, is_commit=is_commit
            )
        except Refused as error:
            return Answer(error.code)
        return self._answer(hosted, decision, now_ms)

    def _answer(self, hosted: HostedTransactions, decision: Decision, now_ms: int) -> Answer:
        """Write and tell; the request is answered when what was written is committed."""
        if decision.records:
            code = self._carry_out(hosted, decision, now_ms)
            if code is not _NONE:
                return Answer(append_error(code))
        partition = hosted.log.partition
        if not partition.is_committed and decision.answer.code is _NONE:
            # Also for what was written before and is only told again: it may not be safe yet.
            self._commits.wait_for(partition)
        return decision.answer

    # Writing

    def _carry_out(self, hosted: HostedTransactions, decision: Decision, now_ms: int) -> ErrorCode:
        """Write what was decided and see to what follows; when it cannot be written it was not decided."""
        records = decision.records
        version = self._server_version()
        if version >= FLEXIBLE_RECORDS_SINCE or _are_plain(records):
            code = self._append(hosted, records, version, now_ms)
        else:
            code = ErrorCode.UNSUPPORTED_VERSION
        if code is not _NONE:
            hosted.shard.forget(decision)
            return code
        for transactional_id, metadata in records:
            if metadata is not None and metadata.state in PREPARED:
                self._complete_when_committed(hosted, transactional_id, now_ms)
        return code

    def _append(
        self, hosted: HostedTransactions, records: tuple[TransactionRecord, ...], version: int, now_ms: int
    ) -> ErrorCode:
        """Append and replay; `version` is that of the cluster's transactions."""
        try:
            hosted.log.append(records, version, now_ms)
        except AppendError as error:
            logger.error("%s does not take a transaction's record: %s", hosted.log.partition.name, error.message)
            return error.code
        for record in records:
            hosted.shard.replay(record)
        return _NONE

    def _complete_when_committed(self, hosted: HostedTransactions, transactional_id: str, now_ms: int) -> None:
        if hosted.log.partition.is_committed:
            self._complete(hosted, transactional_id, now_ms)
            return

        def told(error: OSError | None) -> None:
            if error is None and not hosted.is_given_up:
                self._complete(hosted, transactional_id, self._clock.now_ms())

        hosted.log.when_committed(told)

    def _complete(self, hosted: HostedTransactions, transactional_id: str, now_ms: int) -> None:
        completion = hosted.shard.begin_completion(transactional_id, now_ms)
        if completion is not None:
            TransactionCompletion(hosted, completion, self._partitions, self._markers, self).run()

    def finish(self, hosted: HostedTransactions, record: TransactionRecord) -> None:
        """Write that all markers are written; as long as the log does not take it, try again."""
        if self._append(hosted, (record,), self._server_version(), self._clock.now_ms()) is not _NONE:
            self.later(hosted, RETRY_BACKOFF_MS, partial(self.finish, hosted, record))

    # Time

    def later(self, hosted: HostedTransactions, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back unless the coordinator has been given up meanwhile."""

        def call() -> None:
            if not hosted.is_given_up:
                callback()

        self._timers.schedule(self._clock.monotonic_ms() + delay_ms, call)

    def _schedule(self, interval_ms: int, duty: Callable[[], None]) -> None:
        """Run a duty once in every interval."""
        self._duties = [handle for handle in self._duties if handle.callback is not None]

        def run() -> None:
            self._schedule(interval_ms, duty)
            duty()

        self._duties.append(self._timers.schedule(self._clock.monotonic_ms() + interval_ms, run))

    def _abort_timed_out(self) -> None:
        now_ms = self._clock.now_ms()
        version = self._server_version()
        for hosted in self._hosted:
            for transactional_id in hosted.shard.timed_out_ids(now_ms):
                try:
                    decision = hosted.shard.abort_timed_out(transactional_id, version, now_ms)
                except Refused as error:
                    logger.error("%s: its transaction cannot be aborted: %s", transactional_id, error)
                    continue
                if self._carry_out(hosted, decision, now_ms) is _NONE:
                    logger.info("%s: its transaction timed out and is aborted", transactional_id)

    def _expire(self) -> None:
        now_ms = self._clock.now_ms()
        for hosted in self._hosted:
            for decision in hosted.shard.expire(self._settings.expiration_ms, now_ms):
                self._carry_out(hosted, decision, now_ms)


def _are_plain(records: tuple[TransactionRecord, ...]) -> bool:
    """Whether the first version of records can carry these: it knows no client's version."""
    return all(record.metadata is None or not record.metadata.client_transaction_version for record in records)
