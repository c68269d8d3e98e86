"""How people read: a standby that takes over, replay, seek by time, several groups, more members than partitions,
and a fetch that waits for its megabyte. With librdkafka and kafka-python, unchanged."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer
from kafka import TopicPartition as PythonTopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDS = 600
LIMIT_S = 30
# Not so long ago that retention would take them.
FIRST_MS = time.time_ns() // 1_000_000 - 1000 * RECORDS


def create_topic(broker: Any, name: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, partitions)])[name].result(LIMIT_S)


@pytest.fixture
def topic(broker: Any, unique: str) -> str:
    """A topic of two partitions with RECORDS records, a second apart in time, in the order of their numbers."""
    create_topic(broker, unique, 2)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(RECORDS):
        producer.produce(unique, str(number).encode(), partition=number % 2, timestamp=FIRST_MS + 1000 * number)
    assert producer.flush(LIMIT_S) == 0
    return unique


@contextlib.contextmanager
def member(bootstrap: str, group: str, topic: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 2000,
            "heartbeat.interval.ms": 300,
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    try:
        yield consumer
    finally:
        consumer.close()


def poll_until(consumers: list[Consumer], done: Callable[[], bool], numbers: list[int]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < deadline, f"{len(numbers)} records read, {[c.assignment() for c in consumers]}"
        for consumer in consumers:
            message = consumer.poll(0.02)
            if message is not None and message.error() is None:
                numbers.append(int(message.value()))


def test_an_idle_standby_takes_over(broker: Any, topic: str) -> None:
    numbers: list[int] = []
    with (
        member(broker.bootstrap, topic, topic) as first,
        member(broker.bootstrap, topic, topic) as second,
        member(broker.bootstrap, topic, topic) as standby,
    ):
        members = [first, second, standby]
        poll_until(members, lambda: sorted(len(m.assignment()) for m in members) == [0, 1, 1], numbers)
        [idle] = [m for m in members if not m.assignment()]
        [leaving, staying] = [m for m in members if m.assignment()]
        numbers.clear()
        leaving.unsubscribe()
        poll_until([idle, staying], lambda: len(idle.assignment()) == len(staying.assignment()) == 1, numbers)
        # Nothing was committed, so the new owner of each partition reads all of it again.
        poll_until([idle, staying], lambda: set(numbers) == set(range(RECORDS)), numbers)


def test_replay_from_the_beginning(broker: Any, topic: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=None, consumer_timeout_ms=LIMIT_S * 1000)
    try:
        partition = PythonTopicPartition(topic, 0)
        consumer.assign([partition])
        for _ in range(2):
            consumer.seek(partition, 0)
            read = [next(consumer) for _ in range(RECORDS // 2)]
            assert [record.offset for record in read] == list(range(RECORDS // 2))
            assert [int(record.value) for record in read] == list(range(0, RECORDS, 2))
    finally:
        consumer.close()


@pytest.mark.parametrize("second", [0, 1, 333, RECORDS - 1])
def test_seek_by_timestamp(broker: Any, topic: str, second: int) -> None:
    with contextlib.closing(Consumer({"bootstrap.servers": broker.bootstrap, "group.id": topic})) as consumer:
        wanted = [TopicPartition(topic, partition, FIRST_MS + 1000 * second - 500) for partition in (0, 1)]
        found = consumer.offsets_for_times(wanted, timeout=LIMIT_S)
        # The first record at or after the time: partition 0 has the even numbers, partition 1 the odd ones.
        expected = [number // 2 for number in (second + second % 2, second + 1 - second % 2)]
        ends = [offset if offset < RECORDS // 2 else -1 for offset in expected]
        assert [partition.offset for partition in found] == ends
        start = next(partition for partition in found if partition.offset >= 0)
        consumer.assign([start])
        message = consumer.poll(LIMIT_S)
        assert message is not None
        assert message.offset() == start.offset
        assert message.timestamp()[1] >= FIRST_MS + 1000 * second - 500


def test_two_groups_each_read_everything(broker: Any, topic: str) -> None:
    numbers: dict[str, list[int]] = {"a": [], "b": []}
    with member(broker.bootstrap, topic + "-a", topic) as a, member(broker.bootstrap, topic + "-b", topic) as b:
        poll_until([a], lambda: len(numbers["a"]) == RECORDS, numbers["a"])
        a.commit(asynchronous=False)
        poll_until([b], lambda: len(numbers["b"]) == RECORDS, numbers["b"])
    assert sorted(numbers["a"]) == sorted(numbers["b"]) == list(range(RECORDS))


def test_more_members_than_partitions(broker: Any, topic: str) -> None:
    numbers: list[int] = []
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(member(broker.bootstrap, topic, topic)) for _ in range(4)]
        poll_until(members, lambda: sorted(len(m.assignment()) for m in members) == [0, 0, 1, 1], numbers)
        poll_until(members, lambda: set(numbers) >= set(range(RECORDS)), numbers)
        assert sorted(len(m.assignment()) for m in members) == [0, 0, 1, 1]


@pytest.mark.parametrize("the_megabyte_comes", [True, False])
def test_a_parked_fetch_waits_for_its_megabyte_or_its_time(broker: Any, unique: str, the_megabyte_comes: bool) -> None:
    create_topic(broker, unique, 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    chunk = b"x" * 100_000

    def send(count: int) -> None:
        for _ in range(count):
            producer.produce(unique, chunk)
        assert producer.flush(LIMIT_S) == 0

    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        group_id=None,
        fetch_min_bytes=1_000_000,
        fetch_max_wait_ms=5_000,
        max_partition_fetch_bytes=4_000_000,
    )
    arrived: list[float] = []

    def read() -> None:
        while not arrived:
            if consumer.poll(timeout_ms=500):
                arrived.append(time.monotonic())

    try:
        consumer.assign([PythonTopicPartition(unique, 0)])
        consumer.seek_to_beginning()
        reader = threading.Thread(target=read)
        begun = time.monotonic()
        reader.start()
        send(3)
        time.sleep(1.5)  # long enough for an answer that should not come yet
        assert not arrived, "0.3 MB were answered before the megabyte was there and before the time was up"
        sent = time.monotonic()
        if the_megabyte_comes:
            send(9)
        reader.join(LIMIT_S)
        assert arrived
        if the_megabyte_comes:
            assert arrived[0] - sent < 3
        else:
            assert arrived[0] - begun > 3.5
    finally:
        consumer.close()
