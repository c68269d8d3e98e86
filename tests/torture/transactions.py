"""A transactional producer of librdkafka, and a reader who sees of each transaction everything or nothing."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from .gate import Actor, Gate
from .writers import silent_logger

if TYPE_CHECKING:
    from collections.abc import Callable

COMMITTED, ABORTED, UNKNOWN = "committed", "aborted", "unknown"
TRANSACTIONS_MAX = 3
RECORDS_MAX = 6
PATIENCE_S = 60


class TransactionWriter(Actor):
    """Writes to all partitions of a topic in each transaction; `outcome` is what it was told of each."""

    def __init__(self, gate: Gate, name: str, topic: str, partition_count: int, port: int, seed: int) -> None:
        super().__init__(name, gate)
        self._topic = topic
        self._partition_count = partition_count
        self._port = port
        self._random = random.Random(seed)
        self._producer: Producer | None = None
        self.outcome: dict[int, str] = {}
        self.sizes: dict[int, int] = {}

    def step(self) -> None:
        time.sleep(self._random.uniform(0, 0.05))
        if self.has_done_enough(TRANSACTIONS_MAX):
            return
        try:
            self._transact()
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                self._producer = None  # the next one with this id ends what this one has begun
                return
            self._end(lambda producer: producer.abort_transaction(PATIENCE_S), ABORTED)

    def _transact(self) -> None:
        if self._producer is None:
            self._producer = self._new_producer()
        number = len(self.outcome)
        self.outcome[number] = UNKNOWN
        self.sizes[number] = self._random.randint(1, RECORDS_MAX)
        self._producer.begin_transaction()
        for index in range(self.sizes[number]):
            value = f"{self.name} {number} {index}"
            self._producer.produce(self._topic, value, partition=index % self._partition_count)
        if self._random.random() < 0.2:
            self._end(lambda producer: producer.abort_transaction(PATIENCE_S), ABORTED)
        else:
            self._end(lambda producer: producer.commit_transaction(PATIENCE_S), COMMITTED)

    def _end(self, end: Callable[[Producer], None], outcome: str) -> None:
        """End the transaction that is open, asking again as long as librdkafka says that it may be asked again."""
        assert self._producer is not None
        while True:
            try:
                end(self._producer)
            except KafkaException as error:
                if error.args[0].retriable():
                    continue
                raise
            self.outcome[len(self.outcome) - 1] = outcome
            return

    def _new_producer(self) -> Producer:
        producer = Producer(
            {
                "bootstrap.servers": f"127.0.0.1:{self._port}",
                "transactional.id": self.name,
                "transaction.timeout.ms": 60_000,
                "message.timeout.ms": 60_000,
                "linger.ms": 1,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 100,
                "retry.backoff.ms": 20,
            },
            logger=silent_logger(),
        )
        producer.init_transactions(PATIENCE_S)
        return producer

    def check_all(self) -> None:
        """Of a committed transaction everything is there once, of an aborted one nothing, of any other all or nothing.

        Call it when the thread has ended.
        """
        self._new_producer()  # ends a transaction that was left open
        found = Counter(self._read_committed())
        for number, outcome in self.outcome.items():
            counts = [found.pop(f"{self.name} {number} {index}", 0) for index in range(self.sizes[number])]
            expected = {COMMITTED: [{1}], ABORTED: [{0}], UNKNOWN: [{0}, {1}]}[outcome]
            assert set(counts) in expected, f"{self.name}: transaction {number} was {outcome}, its records: {counts}"
        strange = [value for value in found if value.startswith(f"{self.name} ")]
        assert not strange, f"nobody sent {strange}"

    def _read_committed(self) -> list[str]:
        consumer = Consumer(
            {
                "bootstrap.servers": f"127.0.0.1:{self._port}",
                "group.id": f"reader of {self.name}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": False,
            },
            logger=silent_logger(),
        )
        try:
            partitions = [TopicPartition(self._topic, index, 0) for index in range(self._partition_count)]
            ends = {each.partition: consumer.get_watermark_offsets(each, timeout=PATIENCE_S)[1] for each in partitions}
            consumer.assign(partitions)
            values: list[str] = []
            deadline = time.monotonic() + PATIENCE_S
            while any(p.offset < ends[p.partition] for p in consumer.position(partitions) if ends[p.partition]):
                assert time.monotonic() < deadline, f"the last stable offset stays behind {ends}"
                values += [m.value().decode() for m in consumer.consume(500, timeout=0.2) if not m.error()]
            return values
        finally:
            consumer.close()
