"""A transactional id on its own: decisions are carried out at once, or lost on the way to the log."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ottla.broker.coordinators.transaction_init import ProducerIdAndEpoch
from ottla.broker.coordinators.transaction_records import decode_record, encode_record
from ottla.broker.coordinators.transaction_shard import TransactionShard
from ottla.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from ottla.broker.coordinators.transaction_decision import Answer, Decision
    from ottla.broker.coordinators.transaction_metadata import TransactionMetadata
    from ottla.broker.coordinators.transaction_shard import Completion

TRANSACTIONAL_ID = "payments"
TIMEOUT_MS = 60_000
T0 = ("t", 0)
T1 = ("t", 1)


class Script:
    """Requests in a row to one shard. `log` holds the records as bytes, `markers` what partitions were told."""

    def __init__(self, *, server_version: int = 2) -> None:
        self.server_version = server_version
        self.now_ms = 1_700_000_000_000
        self.log: list[tuple[bytes, bytes | None]] = []
        self.markers: list[tuple[tuple[str, int], int, int, bool]] = []
        self.producer_ids = itertools.count(1000)
        self.disk_is_full = False
        self.shard = self._empty()

    def _empty(self) -> TransactionShard:
        return TransactionShard(lambda: next(self.producer_ids))

    # what clients ask

    def init(self, expected: tuple[int, int] | None = None, timeout_ms: int = TIMEOUT_MS) -> Answer:
        who = None if expected is None else ProducerIdAndEpoch(*expected)
        return self.carry_out(
            self.shard.init_producer_id(TRANSACTIONAL_ID, timeout_ms, who, self.server_version, self.now_ms)
        )

    def add(self, producer: tuple[int, int], *partitions: tuple[str, int], version: int = 2) -> ErrorCode:
        return self.carry_out(
            self.shard.add_partitions(
                TRANSACTIONAL_ID, ProducerIdAndEpoch(*producer), frozenset(partitions), version, self.now_ms
            )
        ).code

    def verify(self, producer: tuple[int, int], partition: tuple[str, int]) -> ErrorCode:
        who = ProducerIdAndEpoch(*producer)
        return self.shard.verify_partition(TRANSACTIONAL_ID, who, partition)

    def end(self, producer: tuple[int, int], *, commit: bool, version: int = 2) -> Answer:
        return self.carry_out(self.decide_end(producer, commit=commit, version=version))

    def decide_end(self, producer: tuple[int, int], *, commit: bool, version: int = 2) -> Decision:
        return self.shard.end_transaction(
            TRANSACTIONAL_ID, ProducerIdAndEpoch(*producer), version, self.now_ms, is_commit=commit
        )

    # what the runtime does

    def carry_out(self, decision: Decision) -> Answer:
        """Write and replay, then let the markers follow; on a full disk nothing was decided."""
        if decision.records and self.disk_is_full:
            self.shard.forget(decision)
            return decision.answer._replace(code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
        self.write(decision)
        return decision.answer

    def write(self, decision: Decision) -> None:
        for record in decision.records:
            self.log.append(encode_record(record, self.server_version))
            self.shard.replay(record)

    def begin(self) -> Completion | None:
        return self.shard.begin_completion(TRANSACTIONAL_ID, self.now_ms)

    def complete(self) -> None:
        """Write every marker, then the record that says so."""
        completion = self.begin()
        assert completion is not None
        for partition in sorted(completion.prepared.partitions):
            self.mark(completion, partition)
        self.finish(completion)

    def mark(self, completion: Completion, partition: tuple[str, int]) -> None:
        prepared = completion.prepared
        self.markers.append((partition, prepared.producer_id, prepared.producer_epoch, completion.is_commit))
        self.shard.marker_written(TRANSACTIONAL_ID, partition)

    def finish(self, completion: Completion) -> None:
        self.log.append(encode_record(completion.record, self.server_version))
        self.shard.replay(completion.record)

    def crash(self) -> None:
        """Forget everything but the log."""
        self.shard = self._empty()
        for key, value in self.log:
            record = decode_record(key, value)
            assert record is not None
            self.shard.replay(record)

    @property
    def metadata(self) -> TransactionMetadata:
        return self.shard.transactions[TRANSACTIONAL_ID].metadata

    @property
    def state(self) -> str:
        return self.metadata.state.label

    @property
    def producer(self) -> tuple[int, int]:
        """Who the coordinator believes is the producer."""
        return self.metadata.producer_id, self.metadata.producer_epoch


def who(answer: Answer) -> tuple[int, int]:
    """The producer id and epoch that an answer gave."""
    assert answer.code is ErrorCode.NONE, answer
    return answer.producer_id, answer.producer_epoch
