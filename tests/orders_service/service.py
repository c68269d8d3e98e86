"""The orders service: reads orders and retries, writes invoices, retries and dead letters, each exactly once.

What a batch of records becomes and the offsets behind the batch are committed in one transaction. Where that fails the
batch is read again; whoever has been replaced by a newer instance stops.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from .processing import ORDERS, RETRIES, Incoming, RetryPolicy, decide

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from confluent_kafka import Message

    from .processing import Warehouse

_POLL_S = 0.1
_BATCH = 50
_TRANSACTION_TIMEOUT_S = 60


class Replaced(Exception):
    """Another instance with the same name has taken over."""


@dataclass(frozen=True)
class Settings:
    bootstrap_servers: str
    instance: str = "orders-1"
    """Names the instance: a new one of the same name replaces the old one."""
    group: str = "orders-service"
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    transaction_timeout_ms: int = 60_000
    session_timeout_ms: int = 45_000
    retry_backoff_ms: int = 100


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class OrdersService:
    """One instance; `run` is its life."""

    def __init__(self, settings: Settings, warehouse: Warehouse, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._warehouse = warehouse
        self._retry = settings.retry
        self._now_ms = now_ms
        self._paused: dict[tuple[str, int], int] = {}
        common = {
            "bootstrap.servers": settings.bootstrap_servers,
            "client.id": settings.instance,
            "retry.backoff.ms": settings.retry_backoff_ms,
            # librdkafka 2.16 gives up brokers that are down for a moment and never asks their successors for its group.
            "metadata.recovery.strategy": "none",
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
        }
        self._producer = Producer(
            {
                **common,
                "transactional.id": settings.instance,
                "transaction.timeout.ms": settings.transaction_timeout_ms,
            }
        )
        self._consumer = Consumer(
            {
                **common,
                "group.id": settings.group,
                "session.timeout.ms": settings.session_timeout_ms,
                "heartbeat.interval.ms": min(3000, settings.session_timeout_ms // 3),
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`. Raises Replaced, and KafkaException for what cannot be survived."""
        try:
            self._producer.init_transactions(_TRANSACTION_TIMEOUT_S)
            self._consumer.subscribe([ORDERS, RETRIES], on_revoke=self._forget_pauses, on_lost=self._forget_pauses)
            while not stop.is_set():
                self.step()
        finally:
            self._consumer.close()

    def step(self) -> None:
        """Handle what has come."""
        self._resume_what_is_due()
        messages = [message for message in self._consumer.consume(_BATCH, _POLL_S) if message.error() is None]
        due = self._due(messages)
        if due:
            self._handle(due)

    # Retries that are not due yet

    def _due(self, messages: Iterable[Message]) -> list[Message]:
        """What may be handled now; a partition whose next record has to wait is paused there."""
        due = []
        for message in messages:
            place = (message.topic(), message.partition())
            if place in self._paused:
                continue
            not_before_ms = incoming(message).not_before_ms
            if not_before_ms > self._now_ms():
                self._pause(message, not_before_ms)
            else:
                due.append(message)
        return due

    def _pause(self, message: Message, until_ms: int) -> None:
        partition = TopicPartition(message.topic(), message.partition(), message.offset())
        self._paused[message.topic(), message.partition()] = until_ms
        self._consumer.pause([partition])
        self._consumer.seek(partition)

    def _resume_what_is_due(self) -> None:
        for place, until_ms in list(self._paused.items()):
            if until_ms <= self._now_ms():
                del self._paused[place]
                self._consumer.resume([TopicPartition(*place)])

    def _forget_pauses(self, _: Consumer, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._paused.pop((partition.topic, partition.partition), None)

    # Transactions

    def _handle(self, messages: list[Message]) -> None:
        try:
            self._producer.begin_transaction()
            self._write(messages)
            self._producer.send_offsets_to_transaction(
                offsets_behind(messages), self._consumer.consumer_group_metadata(), _TRANSACTION_TIMEOUT_S
            )
            self._commit()
        except KafkaException as problem:
            self._give_up(messages, problem)

    def _write(self, messages: Iterable[Message]) -> None:
        for message in messages:
            out = decide(incoming(message), self._warehouse, self._retry, self._now_ms())
            self._producer.produce(out.topic, out.value, out.key, headers=dict(out.headers))

    def _commit(self) -> None:
        while True:
            try:
                self._producer.commit_transaction(_TRANSACTION_TIMEOUT_S)
            except KafkaException as problem:
                if not problem.args[0].retriable():
                    raise
            else:
                return

    def _give_up(self, messages: Iterable[Message], problem: KafkaException) -> None:
        """Abort, and read the same records again."""
        if problem.args[0].fatal():
            raise Replaced(str(problem)) from problem
        self._producer.abort_transaction(_TRANSACTION_TIMEOUT_S)
        assigned = {(each.topic, each.partition) for each in self._consumer.assignment()}
        first = offsets_of_first(messages)
        for partition in first:
            if (partition.topic, partition.partition) in assigned:
                self._consumer.seek(partition)


def incoming(message: Message) -> Incoming:
    return Incoming(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        dict(message.headers() or ()),
    )


def offsets_behind(messages: Iterable[Message]) -> list[TopicPartition]:
    """Where to go on after these."""
    ends = {(message.topic(), message.partition()): message.offset() + 1 for message in messages}
    return [TopicPartition(*place, offset) for place, offset in ends.items()]


def offsets_of_first(messages: Iterable[Message]) -> list[TopicPartition]:
    """Where to read these again."""
    begins: dict[tuple[str, int], int] = {}
    for message in messages:
        begins.setdefault((message.topic(), message.partition()), message.offset())
    return [TopicPartition(*place, offset) for place, offset in begins.items()]
