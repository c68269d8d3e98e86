"""Many transactions over several partitions while the broker is killed: each is wholly there, or wholly not."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer

from .group_members import wait_until
from .test_transactions import PATIENT, TIMEOUT_S, create_topic, read_all

WRITERS = 3
PARTITIONS = 3
KILLS = 3
ENDS_BETWEEN_KILLS = 60
KINDS = ("commit", "abort")


class Writer(threading.Thread):
    """Commits and aborts in turn until told to stop; a producer that can go no further is replaced."""

    def __init__(self, broker: Any, name: str, topic: str) -> None:
        super().__init__(daemon=True)
        self._broker = broker
        self._name = name
        self._topic = topic
        self._producer: Producer | None = None
        self.stopping = threading.Event()
        self.ended: dict[str, set[str]] = {kind: set() for kind in KINDS}
        """What the broker acknowledged."""
        self.asked: dict[str, set[str]] = {kind: set() for kind in KINDS}

    @property
    def count(self) -> int:
        return sum(map(len, self.ended.values()))

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            try:
                self._write(f"{self._name}-{number}", KINDS[number % 3 == 2])
            except KafkaException as error:
                self._recover(error)

    def _write(self, value: str, kind: str) -> None:
        if self._producer is None:
            self._producer = Producer(
                {"bootstrap.servers": self._broker.bootstrap, "transactional.id": self._name, "linger.ms": 0, **PATIENT}
            )
            self._producer.init_transactions(TIMEOUT_S)
        producer = self._producer
        producer.begin_transaction()
        for partition in range(PARTITIONS):
            producer.produce(self._topic, value, partition=partition)
        self.asked[kind].add(value)
        if kind == "commit":
            producer.commit_transaction(TIMEOUT_S)
        else:
            producer.flush(TIMEOUT_S)
            producer.abort_transaction(TIMEOUT_S)
        self.ended[kind].add(value)

    def _recover(self, error: KafkaException) -> None:
        reason = error.args[0]
        if reason.txn_requires_abort() and self._producer is not None:
            try:
                self._producer.abort_transaction(TIMEOUT_S)
            except KafkaException:
                self._producer = None
        else:
            self._producer = None


@pytest.mark.timeout(600)
def test_a_transaction_is_in_all_partitions_or_in_none(own_broker, unique):
    broker = own_broker({"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"})
    topic = create_topic(broker, unique, PARTITIONS)
    writers = [Writer(broker, f"{unique}-{number}", topic) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        before = sum(writer.count for writer in writers)
        wait_until(
            lambda before=before: sum(writer.count for writer in writers) >= before + ENDS_BETWEEN_KILLS,
            "transactions end",
            timeout_s=120,
        )
        broker.kill()
        broker.start()
    before = [writer.count for writer in writers]
    wait_until(
        lambda: all(writer.count > was + 3 for writer, was in zip(writers, before, strict=True)),
        "every writer goes on",
        timeout_s=120,
    )
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(2 * TIMEOUT_S)
        assert not writer.is_alive()
    seen = Counter(read_all(broker, topic))
    assert {value: count for value, count in seen.items() if count != PARTITIONS} == {}
    for writer in writers:
        assert writer.ended["commit"] <= seen.keys()
        assert not writer.asked["abort"] & seen.keys()
