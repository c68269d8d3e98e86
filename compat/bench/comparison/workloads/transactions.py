"""Transactions: small ones at a steady rate, each one partition, one record and a commit, as librdkafka does them."""

from __future__ import annotations

import struct
import threading
import time
from dataclasses import dataclass, replace
from typing import ClassVar

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from ottla.protocol.messages.end_txn import EndTxnRequest

from .. import topics, wire
from ..coordinators import TRANSACTION, await_coordinator, new_producer_id
from ..workload import OFF_BEAT, Limit, NotDone, Sample, Stopwatch, Target, Workload
from .produce import numbered

_ADD_VERSION, _END_VERSION = 3, 3
_MARKERS_TIMEOUT_S = 60
_BACKOFF_S = 0.002
_WARM_UP_TRANSACTIONS = 20
_CODE = struct.Struct(">h")
_ADD_ERROR_FROM_END = 2 + 3  # the code, then three counts of tagged fields
_END_ERROR_AT = 9 + 4
_AGAIN = (ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)


@dataclass(frozen=True)
class SmallTransactions(Workload):
    """Producers that share the rate evenly; a transaction begins at its time, or when the one before it is done."""

    subject: ClassVar[str] = "transactions"
    sized_by: ClassVar[str] = "seconds"
    per_s: float = 1000
    producers: int = 10
    seconds: float = 6

    def to_be_sampled(self) -> SmallTransactions:
        return replace(self, per_s=self.per_s * OFF_BEAT)

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic, partitions=self.producers)

    def measure(self, target: Target) -> Sample:
        producers = [_Producer(target, self.topic, partition) for partition in range(self.producers)]
        for producer in producers:
            for _ in range(_WARM_UP_TRANSACTIONS):
                producer.transact()
            producer.taken_s.clear()
        each = int(self.per_s * self.seconds / self.producers)
        count = each * self.producers
        written_before = sum(producer.written for producer in producers)
        with Stopwatch(target) as watch:
            threads = [
                threading.Thread(target=producer.transact_steadily, args=(each, self.producers / self.per_s))
                for producer in producers
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        taken_ms = [value * 1e3 for producer in producers for value in producer.taken_s]
        written = sum(producer.written for producer in producers) - written_before
        self._check(target, producers, len(taken_ms), written, count)
        return Sample(
            {
                **watch.cpu_figures(count, "transaction"),
                "p50 ms": wire.percentile(taken_ms, 0.5),
                "p99 ms": wire.percentile(taken_ms, 0.99),
                "transactions/s": count / watch.wall_s,
                "asked again": sum(producer.asked_again for producer in producers) / count,
            },
            taken_ms,
        )

    def _check(self, target: Target, producers: list[_Producer], ended: int, written: int, count: int) -> None:
        if ended != count or written != count:
            reasons = {producer.failure for producer in producers if producer.failure}
            raise NotDone(f"{ended} of {count} transactions were committed, {written} records written: {reasons}")
        for producer in producers:
            producer.check_log(target)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)


class _Producer:
    """One transactional producer on one connection."""

    def __init__(self, target: Target, topic: str, partition: int) -> None:
        self.taken_s: list[float] = []
        self.written = self.asked_again = 0
        self.failure = ""
        self._topic, self._partition = topic, partition
        self._transactional_id = f"{topic}-{partition}"
        self._error_at = wire.produce_error_at(topic)
        self._begins_at = topics.end_offsets(target, topic, partition + 1)[partition]
        await_coordinator(target, self._transactional_id, TRANSACTION)
        producer_id, epoch = new_producer_id(target, self._transactional_id)
        identity = {"producer_id": producer_id, "producer_epoch": epoch}
        wanted = [AddPartitionsToTxnTopic(name=topic, partitions=[partition])]
        self._add = wire.frame_of(
            AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=self._transactional_id,
                v3_and_below_producer_id=producer_id,
                v3_and_below_producer_epoch=epoch,
                v3_and_below_topics=wanted,
            ),
            _ADD_VERSION,
        )
        batch = wire.batch_of(100, base_sequence=0, is_transactional=True, **identity)
        self._next_record = numbered(
            wire.produce_frame(topic, partition, batch, transactional_id=self._transactional_id), batch
        )
        end = EndTxnRequest(transactional_id=self._transactional_id, committed=True, **identity)
        self._end = wire.frame_of(end, _END_VERSION)
        self._answers = wire.Answers(wire.connect(target.port))

    def transact_steadily(self, count: int, every_s: float) -> None:
        """Transactions at their times; what went wrong is kept for who counts them."""
        begun = time.perf_counter()
        try:
            for number in range(count):
                time.sleep(max(0.0, begun + number * every_s - time.perf_counter()))
                self.transact()
        except (NotDone, OSError) as failure:
            self.failure = str(failure)

    def transact(self) -> None:
        """One transaction from its first request to the answer of its commit."""
        begun = time.perf_counter()
        self._ask(self._add, -_ADD_ERROR_FROM_END)
        wire.check_code(self._exchange(self._next_record()), self._error_at)
        self.written += 1
        self._ask(self._end, _END_ERROR_AT)
        self.taken_s.append(time.perf_counter() - begun)

    def check_log(self, target: Target) -> None:
        """Each transaction has left a record and a marker."""
        deadline = time.monotonic() + _MARKERS_TIMEOUT_S
        while True:
            found = topics.end_offsets(target, self._topic, self._partition + 1)[self._partition] - self._begins_at
            if found == 2 * self.written:
                return
            if time.monotonic() > deadline:
                raise NotDone(f"{self.written} transactions left {found} records and markers")
            time.sleep(0.05)

    def _ask(self, frame: bytes, error_at: int) -> None:
        while True:
            answer = self._exchange(frame)
            code = _CODE.unpack_from(answer, error_at if error_at >= 0 else len(answer) + error_at)[0]
            if not code:
                return
            if code not in _AGAIN:
                raise NotDone(f"a transaction's request was refused: {code}")
            self.asked_again += 1
            time.sleep(_BACKOFF_S)

    def _exchange(self, frame: bytes) -> bytes:
        self._answers.socket.sendall(frame)
        return self._answers.receive_one()


def rows(quick: bool) -> list[Workload]:
    """A thousand a second."""
    limits = {"CPU us/transaction": Limit(kafka=0.5, kfake=1.0)}
    return [SmallTransactions("1000 small transactions a second", limits, seconds=2 if quick else 5, rounds_max=5)]
