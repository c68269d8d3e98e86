"""Transactions as their coordinator and their partitions see them, by producers whose every step is known.

Two transactions stay open at a hand-over. Whoever serves transactions next finds them: one is then committed by the
producer that began it, the other aborted because a new producer takes its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
)
from ottla.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from ottla.protocol.records import Record

from .asking import Producer, patiently

if TYPE_CHECKING:
    from .asking import Broker
    from .contents import Contents

TOPIC = "transactions"
TO_BE_COMMITTED = "to-be-committed"
TO_BE_ABORTED = "to-be-aborted"


class Open(NamedTuple):
    """A transaction that has begun: who began it, and the first offset it wrote."""

    producer: Producer
    first_offset: int


class Transactions:
    """What was written, and what stays open."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._number = 0
        self.open: dict[str, Open] = {}

    def write(self, broker: Broker) -> None:
        """Finish what earlier stays left open; commit one, abort one, leave two open."""
        if TOPIC not in self._contents.topics:
            self._contents.create_topic(broker, TOPIC, 1, {"segment.ms": "500"})
        self._finish(broker)
        for commit in (True, False, True, False):
            name = f"done-{'committed' if commit else 'aborted'}"
            producer = self._begin(broker, name).producer
            self._end(broker, name, producer, commit=commit)
        broker.append(TOPIC, [Record(0, self._contents.next_time_ms(), None, b"outside of any transaction")])
        for name in (TO_BE_COMMITTED, TO_BE_ABORTED):
            self.open[name] = self._begin(broker, name)

    def _finish(self, broker: Broker) -> None:
        committed = self.open.pop(TO_BE_COMMITTED, None)
        if committed is not None:
            self._append(broker, TO_BE_COMMITTED, committed.producer, sequence=2)
            self._end(broker, TO_BE_COMMITTED, committed.producer, commit=True)
        aborted = self.open.pop(TO_BE_ABORTED, None)
        if aborted is not None:
            successor = broker.new_producer(TO_BE_ABORTED)
            assert successor.producer_id == aborted.producer.producer_id
            assert successor.epoch > aborted.producer.epoch

    def _begin(self, broker: Broker, name: str) -> Open:
        producer = broker.new_producer(name)
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=producer.producer_id,
            v3_and_below_producer_epoch=producer.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=TOPIC, partitions=[0])],
        )

        def ask() -> Any:
            topics = broker.ask(request, AddPartitionsToTxnResponse, 3).results_by_topic_v3_and_below
            return topics[0].results_by_partition[0]

        answer = patiently(ask, lambda answer: answer.partition_error_code)
        assert answer.partition_error_code == 0, ErrorCode(answer.partition_error_code).name
        return Open(producer, self._append(broker, name, producer, sequence=0))

    def _append(self, broker: Broker, name: str, producer: Producer, sequence: int) -> int:
        self._number += 1
        now_ms = self._contents.next_time_ms()
        records = [Record(i, now_ms + i, name.encode(), b"%d" % self._number) for i in range(2)]
        return broker.append(TOPIC, records, producer=producer, sequence=sequence, transactional_id=name)

    def _end(self, broker: Broker, name: str, producer: Producer, *, commit: bool) -> None:
        request = EndTxnRequest(
            transactional_id=name, producer_id=producer.producer_id, producer_epoch=producer.epoch, committed=commit
        )
        answer = patiently(lambda: broker.ask(request, EndTxnResponse, 3), lambda answer: answer.error_code)
        assert answer.error_code == 0, (name, ErrorCode(answer.error_code).name)
