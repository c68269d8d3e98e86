"""Producers with acks=all: batches by hand, sent again when the broker comes back; and librdkafka's."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaError, Producer
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

from ..harness.raw_client import RawClient, request_frame
from .gate import Actor, Gate
from .ledger import Acknowledgement, Ledger, value_of

if TYPE_CHECKING:
    from ottla.protocol.compression import Compression

PRODUCE_VERSION = 9
INIT_PRODUCER_ID_VERSION = 4
LONGEST_PAUSE_S = 0.05  # a dozen writers at full speed would leave nobody else the time to look
STEPS_MAX = 20
LARGE_BATCH_RECORDS = 80  # some 27 KB: a kill can tear it


class Sending(NamedTuple):
    """A request that is on its way: which records, with which sequence numbers."""

    first: int
    count: int
    base_sequence: int
    frame: bytes


class BatchWriter(Actor):
    """Writes to one partition by hand, `in_flight` requests at a time.

    What was not answered when the connection ended is sent again as it was: an idempotent producer's records are
    then there once, a plain one's once or twice.
    """

    def __init__(
        self, gate: Gate, ledger: Ledger, name: str, *, idempotent: bool, in_flight: int, codec: Compression, seed: int
    ) -> None:
        super().__init__(name, gate)
        self._ledger = ledger
        self._idempotent = idempotent
        self._in_flight = in_flight
        self._codec = codec
        self._random = random.Random(seed)
        self._next_number = 0
        self._producer_id = -1
        self._next_sequence = 0
        self._unanswered: deque[Sending] = deque()
        self.producers_begun = 0
        ledger.add_writer(name, exact=idempotent, gappy=idempotent and in_flight > 1)

    def step(self) -> None:
        time.sleep(self._random.uniform(0, LONGEST_PAUSE_S))
        if self.has_done_enough(STEPS_MAX):
            return
        if self._idempotent and self._producer_id < 0:
            self._begin_producer()
        while len(self._unanswered) < self._in_flight:
            self._unanswered.append(self._next_batch())
        self.link.use(self._exchange)

    def _begin_producer(self) -> None:
        request = InitProducerIdRequest(transactional_id=None)
        response = self.link.ask(request, InitProducerIdResponse, INIT_PRODUCER_ID_VERSION)
        assert response.error_code == 0, f"{self.name}: InitProducerId answers {ErrorCode(response.error_code).name}"
        self._producer_id, self._next_sequence = response.producer_id, 0
        self.producers_begun += 1

    def _next_batch(self) -> Sending:
        first = self._next_number
        count = self._random.choice([1, 1, 1, 2, 3, 5, 10, LARGE_BATCH_RECORDS])
        now_ms = time.time_ns() // 1_000_000
        records = [
            Record(i, now_ms - self._random.randrange(50), b"k%d" % (first + i), value_of(self.name, first + i))
            for i in range(count)
        ]
        sequence = self._next_sequence if self._idempotent else -1
        batch = build_batch(
            records,
            base_offset=0,
            compression=self._codec,
            producer_id=self._producer_id,
            producer_epoch=0 if self._idempotent else -1,
            base_sequence=sequence,
        )
        self._next_number += count
        self._next_sequence += count
        self._ledger.will_send(self.name, self._next_number)
        partition = PartitionProduceData(index=self._ledger.partition, records=batch)
        topic = TopicProduceData(name=self._ledger.topic, partition_data=[partition])
        request = ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[topic])
        return Sending(first, count, sequence, request_frame(request, PRODUCE_VERSION))

    def _exchange(self, client: RawClient) -> None:
        for sending in self._unanswered:
            client.send(sending.frame)
        for _ in range(len(self._unanswered)):
            _, response = client.read_response(ProduceRequest, ProduceResponse, PRODUCE_VERSION)
            self._take_answer(response.responses[0].partition_responses[0])

    def _take_answer(self, answer) -> None:
        if not self._unanswered:
            return  # this one belongs to a producer that was given up
        sending = self._unanswered[0]
        if answer.error_code == 0:
            self._unanswered.popleft()
            self._ledger.acknowledge(Acknowledgement(self.name, sending.first, sending.count, answer.base_offset))
        elif answer.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER and self._in_flight > 1:
            # A snapshot keeps the last batch of a producer only, as Kafka's does: of several that were written but
            # not answered the earlier ones are not known as duplicates after a crash. Whether they are there stays
            # open, and a new producer goes on behind them.
            self._unanswered.clear()
            self._producer_id = -1
        else:
            code = ErrorCode(answer.error_code)
            raise AssertionError(f"{self.name}: {code.name} for records from {sending.first} on")


class LibrdkafkaWriter(Actor):
    """confluent-kafka's producer, which is never told that its broker dies."""

    def __init__(self, gate: Gate, ledger: Ledger, name: str, *, idempotent: bool, codec: str, port: int) -> None:
        super().__init__(name, gate)
        self._ledger = ledger
        self._next_number = 0
        self._unanswered = 0
        self._producer = Producer(
            {
                "bootstrap.servers": f"127.0.0.1:{port}",
                "acks": "all",
                "enable.idempotence": idempotent,
                # With more it does what a producer by hand does above: it begins anew and may write twice.
                "max.in.flight": 1 if idempotent else 5,
                "compression.type": codec,
                "linger.ms": 2,
                "batch.size": 30_000,  # less than a segment
                "message.timeout.ms": 300_000,
                "message.send.max.retries": 1_000_000,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 100,
                "retry.backoff.ms": 20,
            },
            logger=silent_logger(),
        )
        ledger.add_writer(name, exact=idempotent)

    def step(self) -> None:
        self._producer.poll(LONGEST_PAUSE_S)
        if self._unanswered > 200 or self.has_done_enough(STEPS_MAX):
            return
        for _ in range(20):
            number = self._next_number
            self._next_number += 1
            self._ledger.will_send(self.name, self._next_number)
            self._producer.produce(
                self._ledger.topic,
                value_of(self.name, number),
                partition=self._ledger.partition,
                on_delivery=lambda error, message, number=number: self._delivered(error, message, number),
            )
            self._unanswered += 1

    def _delivered(self, error: KafkaError | None, message, number: int) -> None:
        self._unanswered -= 1
        assert error is None, f"{self.name}: record {number} was not delivered: {error}"
        self._ledger.acknowledge(Acknowledgement(self.name, number, 1, message.offset()))

    def end(self) -> None:
        left = self._producer.flush(60)
        assert left == 0, f"{self.name}: {left} records could not be delivered"


def silent_logger() -> logging.Logger:
    """Librdkafka says much about brokers that are not there."""
    logger = logging.getLogger("librdkafka")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger
