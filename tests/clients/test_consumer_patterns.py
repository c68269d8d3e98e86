"""What people do with consumers, on the broker that all tests share."""

from __future__ import annotations

import contextlib
import time

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPythonPartition

from .group_members import wait_until

RECORDS = 300
FIRST_TIMESTAMP_MS = time.time_ns() // 1_000_000 - 60_000  # retention takes what is a week old


@pytest.fixture
def topic_of(broker, unique):
    """Creates a topic of so many partitions, with RECORDS records: number n has timestamp FIRST_TIMESTAMP_MS + n."""

    def create(partitions: int) -> str:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic(unique, partitions)])[unique].result(20)
        send(range(RECORDS), partitions)
        return unique

    def send(numbers: range, partitions: int) -> None:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5})
        for number in numbers:
            producer.produce(
                unique, str(number).encode(), partition=number % partitions, timestamp=FIRST_TIMESTAMP_MS + number
            )
        assert producer.flush(20) == 0

    create.send = send
    return create


@pytest.fixture
def member(broker):
    """Starts a consumer of librdkafka; all are closed in the end."""
    with contextlib.ExitStack() as stack:

        def start(group: str, topic: str = "", **settings) -> Consumer:
            dotted = {key.replace("_", "."): value for key, value in settings.items()}
            consumer = Consumer(
                {
                    "bootstrap.servers": broker.bootstrap,
                    "group.id": group,
                    "auto.offset.reset": "earliest",
                    "session.timeout.ms": 6000,
                    "heartbeat.interval.ms": 200,
                    **dotted,
                }
            )
            stack.callback(consumer.close)
            if topic:
                consumer.subscribe([topic])
            return consumer

        yield start


def take(consumer: Consumer, into: list[int]) -> None:
    for message in consumer.consume(100, 0.05):
        assert message.error() is None, message.error()
        into.append(int(message.value()))


def take_all(consumers: list[Consumer], count: int) -> list[list[int]]:
    """Poll all in turn until they have `count` records together."""
    taken: list[list[int]] = [[] for _ in consumers]

    def enough() -> bool:
        for consumer, into in zip(consumers, taken, strict=True):
            take(consumer, into)
        return sum(map(len, taken)) >= count

    wait_until(enough, f"{count} records are read")
    return taken


@pytest.fixture
def settle(broker):
    """Polls all in turn, reading nothing, until these are the members and every partition has its owner."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})

    def poll_until_settled(group: str, consumers: list[Consumer], partitions: int) -> None:
        def settled() -> bool:
            for consumer in consumers:
                assert consumer.poll(0.05) is None
            described = admin.describe_consumer_groups([group])[group].result(20)
            owned = sorted(each.partition for consumer in consumers for each in consumer.assignment())
            return (
                described.state == ConsumerGroupState.STABLE
                and len(described.members) == len(consumers)
                and owned == list(range(partitions))
            )

        wait_until(settled, "the group is stable and every partition has one owner")

    return poll_until_settled


def test_an_idle_standby_takes_over(member, settle, topic_of, unique):
    topic = topic_of(1)
    active = member(unique, topic)
    (read,) = take_all([active], RECORDS)
    assert read == list(range(RECORDS))
    standby = member(unique, topic)
    settle(unique, [active, standby], 1)
    owner, idle = (active, standby) if active.assignment() else (standby, active)
    topic_of.send(range(RECORDS, RECORDS + 50), 1)
    assert take_all([owner, idle], 50) == [list(range(RECORDS, RECORDS + 50)), []]
    owner.close()
    topic_of.send(range(RECORDS + 50, RECORDS + 100), 1)
    assert take_all([idle], 50) == [list(range(RECORDS + 50, RECORDS + 100))]


def test_more_members_than_partitions(member, settle, topic_of, unique):
    topic = topic_of(2)
    members = [member(unique, topic) for _ in range(4)]
    taken = take_all(members, RECORDS)
    settle(unique, members, 2)
    assert sorted(number for each in taken for number in each) == list(range(RECORDS))
    assert sorted(len(each.assignment()) for each in members) == [0, 0, 1, 1]


def test_two_groups_read_the_same_topic(member, topic_of, unique):
    topic = topic_of(3)
    first, second = member(f"{unique}-1", topic), member(f"{unique}-2", topic)
    for read in (*take_all([first], RECORDS), *take_all([second], RECORDS)):
        assert sorted(read) == list(range(RECORDS))
    first.commit(asynchronous=False)
    partitions = [TopicPartition(topic, index) for index in range(3)]
    assert sum(each.offset for each in first.committed(partitions, 20)) == RECORDS


def test_replay_from_offset_0(member, topic_of, unique):
    topic = topic_of(1)
    consumer = member(unique, topic)
    (read,) = take_all([consumer], RECORDS)
    consumer.commit(asynchronous=False)
    consumer.seek(TopicPartition(topic, 0, 0))
    (again,) = take_all([consumer], RECORDS)
    assert read == again == list(range(RECORDS))


def test_replay_from_offset_0_with_kafka_python(broker, topic_of):
    partition = KafkaPythonPartition(topic_of(1), 0)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, consumer_timeout_ms=20_000)
    with contextlib.closing(consumer):
        consumer.assign([partition])
        for _ in range(2):
            consumer.seek(partition, 0)
            read = [int(record.value) for _, record in zip(range(RECORDS), consumer, strict=False)]
            assert read == list(range(RECORDS))


def test_seek_by_timestamp(member, topic_of, unique):
    topic = topic_of(3)
    consumer = member(unique)
    asked = [TopicPartition(topic, index, FIRST_TIMESTAMP_MS + 200) for index in range(3)]
    starts = consumer.offsets_for_times(asked, 20)
    assert [each.offset for each in starts] == [67, 67, 66]
    consumer.assign(starts)
    (read,) = take_all([consumer], 100)
    assert sorted(read) == list(range(200, RECORDS))
    (after_the_end,) = consumer.offsets_for_times([TopicPartition(topic, 0, FIRST_TIMESTAMP_MS + RECORDS)], 20)
    assert after_the_end.offset == -1


def test_seek_by_timestamp_with_kafka_python(broker, topic_of):
    partition = KafkaPythonPartition(topic_of(1), 0)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, consumer_timeout_ms=20_000)
    with contextlib.closing(consumer):
        consumer.assign([partition])
        found = consumer.offsets_for_times({partition: FIRST_TIMESTAMP_MS + 250})[partition]
        assert (found.offset, found.timestamp) == (250, FIRST_TIMESTAMP_MS + 250)
        consumer.seek(partition, found.offset)
        assert int(next(consumer).value) == 250


def test_a_member_that_stops_polling_loses_its_partitions(member, topic_of, unique):
    """Its heartbeats go on; the client itself gives up its place after max.poll.interval.ms."""
    topic = topic_of(2)
    sleeper = member(unique, topic, session_timeout_ms=1000, max_poll_interval_ms=1000)
    wait_until(lambda: sleeper.poll(0.05) and sleeper.assignment(), "the sleeper reads")
    awake = member(unique, topic)
    taken: set[int] = set()

    def has_all() -> bool:
        into: list[int] = []
        take(awake, into)
        taken.update(into)
        return len(awake.assignment()) == 2 and len(taken) == RECORDS

    started = time.monotonic()
    wait_until(has_all, "the other member reads everything")
    assert time.monotonic() - started < 30


def test_a_static_member_comes_back_to_its_partitions(member, settle, topic_of, unique):
    """Within its session nobody else is disturbed: the group does not rebalance."""
    topic = topic_of(2)
    settings = {"session_timeout_ms": 20_000, "partition_assignment_strategy": "range"}
    stays = member(unique, topic, group_instance_id="stays", **settings)
    returns = member(unique, topic, group_instance_id="returns", **settings)
    take_all([stays, returns], RECORDS)
    settle(unique, [stays, returns], 2)
    before = [each.partition for each in returns.assignment()]
    rebalances = []
    stays.subscribe([topic], on_revoke=lambda *_: rebalances.append("revoked"))
    settle(unique, [stays, returns], 2)
    rebalances.clear()
    returns.close()
    back = member(unique, topic, group_instance_id="returns", **settings)
    settle(unique, [stays, back], 2)
    assert [each.partition for each in back.assignment()] == before
    assert rebalances == []
