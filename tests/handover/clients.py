"""Clients that live through hand-overs, and clients that read what others wrote before one.

The producers and consumers of librdkafka are made in the first stay and never again: their address stays, the broker
behind it does not. Java's console producer and consumer stand for Kafka's own clients.
"""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Any

import confluent_kafka

from ..clients.group_members import wait_until
from ..clients.record_clients import PYTHON_CLIENTS
from ..harness.java_tools import CONSOLE_CONSUMER, CONSOLE_PRODUCER, GROUPS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..clients.record_clients import Sent
    from ..harness.java_tools import JavaTools
    from .place import Place

LIVE_TOPIC = "live"
LIVE_RECORDS_PER_STAY = 50
JAVA_TOPIC = "java"
TRANSACTIONAL_TOPIC = "transactional"
STREAM_TOPIC = "stream"


class LiveConsumer:
    """A group member of librdkafka that is never told of a hand-over; `seen` is what it was given so far."""

    def __init__(self, place: Place, group: dict[str, Any]) -> None:
        self.seen: set[bytes] = set()
        settings = {"auto.offset.reset": "earliest", "auto.commit.interval.ms": 200, **group}
        self._consumer = confluent_kafka.Consumer({**_patient(place), **settings})
        self._consumer.subscribe([LIVE_TOPIC])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._consume)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _consume(self) -> None:
        while not self._stopping.is_set():
            for message in self._consumer.consume(100, 0.1):
                if message.error() is None:
                    self.seen.add(message.value())


class LiveClients:
    """An idempotent producer and a group member of each protocol, from the first stay to the last."""

    def __init__(self, place: Place, *, consumer_protocol: bool) -> None:
        self._producer = confluent_kafka.Producer(
            {**_patient(place), "enable.idempotence": True, "message.timeout.ms": 120_000}
        )
        groups: list[dict[str, Any]] = [{"group.id": "live-classic", "session.timeout.ms": 60_000}]
        if consumer_protocol:
            groups.append({"group.id": "live-consumer", "group.protocol": "consumer"})
        self._consumers = [LiveConsumer(place, group) for group in groups]
        self._sent: set[bytes] = set()

    def send(self) -> None:
        """The next records; each consumer has seen all of them when this returns."""
        failures: list[confluent_kafka.KafkaError] = []
        for number in range(len(self._sent), len(self._sent) + LIVE_RECORDS_PER_STAY):
            self._sent.add(b"%d" % number)
            self._producer.produce(
                LIVE_TOPIC, b"%d" % number, on_delivery=lambda error, _: failures.append(error) if error else None
            )
        assert self._producer.flush(120) == 0
        assert not failures, failures
        for consumer in self._consumers:
            wait_until(lambda seen=consumer.seen: seen >= self._sent, "a consumer has seen every record", 120)

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.close()


def _patient(place: Place) -> dict[str, Any]:
    return {
        "bootstrap.servers": place.bootstrap,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.interval.ms": 1000,
        "log_level": 0,  # it would tell of each attempt to reach a broker that is not there yet
    }


class Stream:
    """An idempotent producer of librdkafka that never pauses, whatever happens to its broker."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer = confluent_kafka.Producer(
            {**_patient(place), "enable.idempotence": True, "message.timeout.ms": 300_000, "linger.ms": 1}
        )
        self._failures: list[confluent_kafka.KafkaError] = []
        self._sent: list[bytes] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._produce)
        self._thread.start()

    def close(self) -> list[bytes]:
        """Stop; what was sent, every record of it acknowledged."""
        self._stopping.set()
        self._thread.join()
        left = self._producer.flush(60)
        assert (left, self._failures) == (0, [])
        return self._sent

    def read(self) -> list[bytes]:
        """Everything that is in the log."""
        settings = {"bootstrap.servers": self._place.bootstrap, "group.id": "unused", "enable.auto.commit": False}
        consumer = confluent_kafka.Consumer({**settings, "enable.partition.eof": True})
        found: list[bytes] = []
        with contextlib.closing(consumer):
            consumer.assign([confluent_kafka.TopicPartition(STREAM_TOPIC, 0, 0)])
            while True:
                for message in consumer.consume(1000, 0.2):
                    if message.error() is not None:
                        assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                        return found
                    found.append(message.value())

    def _produce(self) -> None:
        while not self._stopping.wait(0.01):
            self._sent.append(b"%d" % len(self._sent))
            self._producer.produce(STREAM_TOPIC, self._sent[-1], on_delivery=self._delivered)
            self._producer.poll(0)

    def _delivered(self, error: confluent_kafka.KafkaError | None, _: confluent_kafka.Message) -> None:
        if error is not None:
            self._failures.append(error)


class TransactionalClient:
    """A transactional producer of librdkafka that begins in one stay and commits in the next."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer: confluent_kafka.Producer | None = None
        self.sent: list[bytes] = []

    def commit_and_begin(self) -> None:
        if self._producer is None:
            self._producer = confluent_kafka.Producer(
                {**_patient(self._place), "transactional.id": "real", "transaction.timeout.ms": 600_000}
            )
            self._producer.init_transactions(60)
        else:
            self._producer.commit_transaction(60)
        self._producer.begin_transaction()
        for _ in range(5):
            self.sent.append(b"%d" % len(self.sent))
            self._producer.produce(TRANSACTIONAL_TOPIC, self.sent[-1])
        assert self._producer.flush(60) == 0

    def finish(self) -> None:
        assert self._producer is not None
        self._producer.commit_transaction(60)

    def read_committed(self) -> list[bytes]:
        """All that was sent, in order, when it was committed."""
        settings = {"bootstrap.servers": self._place.bootstrap, "group.id": "unused", "enable.auto.commit": False}
        consumer = confluent_kafka.Consumer({**settings, "isolation.level": "read_committed"})
        with contextlib.closing(consumer):
            consumer.assign([confluent_kafka.TopicPartition(TRANSACTIONAL_TOPIC, 0, 0)])
            messages = consumer.consume(len(self.sent), 60)
        assert all(message.error() is None for message in messages)
        return [message.value() for message in messages]


def read_again(place: Place, sent: dict[str, list[Sent]], turn: int) -> list[str]:
    """Read the records of each topic with another client each time; what is not as it was sent."""
    clients = [kind(place.bootstrap) for kind in PYTHON_CLIENTS]
    wrong = []
    for number, (topic, records) in enumerate(sent.items()):
        client = clients[(number + turn) % len(clients)]
        found = [(got.key, got.value, got.headers) for got in client.read(topic, len(records))]
        wanted = [(record.key, record.value, record.headers) for record in records]
        if found != wanted:
            wrong.append(f"{client.name} read {topic}: {len(found)} records, other ones than the {len(wanted)} sent")
    return wrong


def told_by_tools(tools: JavaTools, place: Place, groups: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """What kafka-topics and kafka-consumer-groups print; in which words they name missing replicas is their affair."""
    where = ("--bootstrap-server", place.bootstrap)
    named = [word for group in groups for word in ("--group", group)]
    topics = tools.succeed(TOPICS, *where, "--describe").splitlines()
    offsets = tools.succeed(GROUPS, *where, "--describe", "--offsets", *named).splitlines()
    return {
        "topics": _by_beginning(topics),
        "groups": _by_beginning(offsets),
    }


def _by_beginning(lines: Sequence[str]) -> dict[str, list[str]]:
    """Each line under its first words; what follows in any order, as the configs of a topic."""
    words = [re.split(r"[\s,]+", line.partition("\tElr:")[0].strip()) for line in lines]
    return {" ".join(each[:4]): sorted(each[4:]) for each in words}


class JavaConsole:
    """Kafka's console clients, on a topic of their own."""

    def __init__(self, tools: JavaTools, place: Place) -> None:
        self._tools = tools
        self._place = place
        self._lines: list[str] = []

    def read_all(self) -> tuple[Sequence[str], Sequence[str]]:
        """The lines that were written, and those that are read from the beginning."""
        if not self._lines:
            return [], []
        out = self._tools.succeed(
            CONSOLE_CONSUMER,
            *("--bootstrap-server", self._place.bootstrap, "--topic", JAVA_TOPIC, "--from-beginning"),
            *("--max-messages", str(len(self._lines)), "--timeout-ms", "30000"),
            *("--formatter-property", "print.key=true", "--formatter-property", "print.headers=true"),
        )
        return self._lines, out.splitlines()

    def write(self) -> None:
        lines = [
            f"header:{number}\tkey {number}\tvalue {number}" for number in range(len(self._lines), len(self._lines) + 5)
        ]
        self._tools.succeed(
            CONSOLE_PRODUCER,
            *(
                "--bootstrap-server",
                self._place.bootstrap,
                "--topic",
                JAVA_TOPIC,
                "--compression-codec",
                "lz4",
                "--sync",
                "--timeout",
                "5",
            ),
            *("--reader-property", "parse.key=true", "--reader-property", "parse.headers=true"),
            stdin="".join(f"{line}\n" for line in lines).encode(),
        )
        self._lines += lines
