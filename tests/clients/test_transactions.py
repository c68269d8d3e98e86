"""Transactional producers and read_committed consumers of several clients, unchanged, against the broker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from .group_members import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 30
PARTITIONS = 3

# Of a client that lives through the death of its broker. Without the second, librdkafka 2.16 throws away all brokers
# when none can be reached, and sometimes waits for ever for one of those it has thrown away.
PATIENT = {"reconnect.backoff.max.ms": 500, "metadata.recovery.strategy": "none"}


def create_topic(broker: Any, topic: str, partitions: int = PARTITIONS) -> str:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, partitions)])[topic].result(TIMEOUT_S)
    return topic


def producer(broker: Any, transactional_id: str, **settings: Any) -> Producer:
    """A producer that has begun."""
    begun = Producer(
        {"bootstrap.servers": broker.bootstrap, "transactional.id": transactional_id, "linger.ms": 1, **settings}
    )
    begun.init_transactions(TIMEOUT_S)
    return begun


def read_all(broker: Any, topic: str, *, committed: bool = True) -> list[str]:
    """Every value up to the end of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": f"reader-of-{topic}",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    partitions = len(consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
    with contextlib.closing(consumer):
        return list(_until_the_end(consumer, partitions))


def _until_the_end(consumer: Consumer, partitions: int) -> Iterator[str]:
    ended = set()
    while len(ended) < partitions:
        message = consumer.poll(TIMEOUT_S)
        assert message is not None, "nothing came, not even the end"
        if message.error() is None:
            yield message.value().decode()
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            raise KafkaException(message.error())


def test_readers_see_what_was_committed_and_nothing_else(broker, unique):
    topic = create_topic(broker, unique)
    writer = producer(broker, unique)
    for number in range(20):
        writer.begin_transaction()
        for partition in range(PARTITIONS):
            writer.produce(topic, f"{number}-{partition}", partition=partition)
        if number % 2:
            writer.flush(TIMEOUT_S)
            writer.abort_transaction(TIMEOUT_S)
        else:
            writer.commit_transaction(TIMEOUT_S)
    expected = {f"{number}-{partition}" for number in range(0, 20, 2) for partition in range(PARTITIONS)}
    committed = read_all(broker, topic)
    assert sorted(committed) == sorted(expected)
    assert len(read_all(broker, topic, committed=False)) == 20 * PARTITIONS


def test_readers_wait_behind_an_open_transaction(broker, unique):
    topic = create_topic(broker, unique, 1)
    writer = producer(broker, unique)
    plain = Producer({"bootstrap.servers": broker.bootstrap})
    plain.produce(topic, "before", partition=0)
    plain.flush(TIMEOUT_S)
    writer.begin_transaction()
    writer.produce(topic, "within", partition=0)
    writer.flush(TIMEOUT_S)
    plain.produce(topic, "behind", partition=0)
    plain.flush(TIMEOUT_S)
    assert read_all(broker, topic) == ["before"]
    writer.abort_transaction(TIMEOUT_S)
    wait_until(lambda: read_all(broker, topic) == ["before", "behind"], "the aborted record is passed over")
    assert read_all(broker, topic, committed=False) == ["before", "within", "behind"]


def test_of_two_producers_with_one_transactional_id_the_older_is_fenced(broker, unique):
    topic = create_topic(broker, unique, 1)
    zombie = producer(broker, unique)
    zombie.begin_transaction()
    zombie.produce(topic, "from the grave", partition=0)
    zombie.flush(TIMEOUT_S)
    heir = producer(broker, unique)
    with pytest.raises(KafkaException) as raised:
        zombie.commit_transaction(TIMEOUT_S)
    assert raised.value.args[0].fatal()
    assert raised.value.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    heir.begin_transaction()
    heir.produce(topic, "alive", partition=0)
    heir.commit_transaction(TIMEOUT_S)
    assert read_all(broker, topic) == ["alive"]


def test_a_transaction_that_lasts_too_long_is_aborted(own_broker, unique):
    broker = own_broker({"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200"})
    topic = create_topic(broker, unique, 1)
    slow = producer(broker, unique, **{"transaction.timeout.ms": 1000})
    slow.begin_transaction()
    slow.produce(topic, "too late", partition=0)
    slow.flush(TIMEOUT_S)
    plain = Producer({"bootstrap.servers": broker.bootstrap})
    plain.produce(topic, "behind", partition=0)
    plain.flush(TIMEOUT_S)
    wait_until(lambda: read_all(broker, topic) == ["behind"], "the transaction is aborted")
    with pytest.raises(KafkaException) as raised:
        slow.commit_transaction(TIMEOUT_S)
    assert raised.value.args[0].fatal()
    again = producer(broker, unique)
    again.begin_transaction()
    again.produce(topic, "in time", partition=0)
    again.commit_transaction(TIMEOUT_S)
    assert read_all(broker, topic) == ["behind", "in time"]


def test_an_open_transaction_goes_on_after_the_broker_was_killed(own_broker, unique):
    broker = own_broker()
    topic = create_topic(broker, unique)
    writer = producer(broker, unique, **PATIENT)
    writer.begin_transaction()
    for partition in range(PARTITIONS):
        writer.produce(topic, f"before {partition}", partition=partition)
    writer.flush(TIMEOUT_S)
    broker.kill()
    broker.start()
    for partition in range(PARTITIONS):
        writer.produce(topic, f"after {partition}", partition=partition)
    writer.commit_transaction(TIMEOUT_S)
    assert sorted(read_all(broker, topic)) == sorted(f"{when} {p}" for when in ("after", "before") for p in range(3))


class Pipe:
    """Reads numbers, writes them on, and commits both in one transaction: consume, transform, produce."""

    def __init__(self, broker: Any, name: str, source: str, sink: str) -> None:
        self.sink = sink
        self.consumer = Consumer(
            {
                "bootstrap.servers": broker.bootstrap,
                "group.id": name,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 6000,
                **PATIENT,
            }
        )
        self.consumer.subscribe([source])
        self.producer = producer(broker, name, **PATIENT)

    def step(self, *, abort: bool) -> None:
        """One transaction; where it fails in a way that allows it, it is aborted and everything is read again."""
        messages = [message for message in self.consumer.consume(20, 0.5) if message.error() is None]
        if not messages:
            return
        self.producer.begin_transaction()
        try:
            for message in messages:
                self.producer.produce(self.sink, message.value(), partition=message.partition())
            if abort:
                self.producer.flush(TIMEOUT_S)
                self._abort()
                return
            positions = self.consumer.position(self.consumer.assignment())
            self.producer.send_offsets_to_transaction(positions, self.consumer.consumer_group_metadata(), TIMEOUT_S)
            self.producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            if not (error.args[0].txn_requires_abort() or error.args[0].retriable()):
                raise
            self._abort()

    def _abort(self) -> None:
        self.producer.abort_transaction(TIMEOUT_S)
        committed = self.consumer.committed(self.consumer.assignment(), TIMEOUT_S)
        for partition in committed:
            partition.offset = max(partition.offset, 0)
            self.consumer.seek(partition)

    def close(self) -> None:
        self.consumer.close()


@pytest.mark.timeout(600)
def test_each_input_comes_out_once_although_the_broker_is_killed(own_broker, unique):
    broker = own_broker({"group.min.session.timeout.ms": "1000"})
    source, sink = create_topic(broker, f"{unique}-in"), create_topic(broker, f"{unique}-out")
    count = 600
    feeder = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for number in range(count):
        feeder.produce(source, str(number), partition=number % PARTITIONS)
    feeder.flush(TIMEOUT_S)
    pipe = Pipe(broker, unique, source, sink)
    kills = 0
    for turn in range(400):
        pipe.step(abort=turn % 5 == 3)
        if turn % 8 == 7:
            done = len(read_all(broker, sink))
            if done >= count:
                break
            if kills < 3:
                kills += 1
                broker.kill()
                broker.start()
                # A new member and a new producer take over, as after a crash of the application.
                if kills == 2:
                    pipe.close()
                    pipe = Pipe(broker, unique, source, sink)
    pipe.close()
    assert sorted(map(int, read_all(broker, sink))) == list(range(count))
    assert kills == 3


def test_kafka_python(broker, unique):
    from kafka import KafkaConsumer, KafkaProducer
    from kafka import TopicPartition as Place

    topic = create_topic(broker, unique, 1)
    writer = KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=unique)
    writer.init_transactions()
    for word, is_commit in (("one", True), ("two", False), ("three", True)):
        writer.begin_transaction()
        writer.send(topic, word.encode(), partition=0)
        if is_commit:
            writer.commit_transaction()
        else:
            writer.flush()
            writer.abort_transaction()
    writer.close()
    reader = KafkaConsumer(bootstrap_servers=broker.bootstrap, isolation_level="read_committed")
    reader.assign([Place(topic, 0)])
    reader.seek_to_beginning()
    seen: list[str] = []

    def read() -> bool:
        for records in reader.poll(timeout_ms=500).values():
            seen.extend(record.value.decode() for record in records)
        return len(seen) >= 2

    wait_until(read, "both committed records come")
    reader.close()
    assert seen == ["one", "three"]


def test_aiokafka(broker, unique):
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka import TopicPartition as Place

    topic = create_topic(broker, unique, 1)

    async def write_and_read() -> list[str]:
        writer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=unique)
        await writer.start()
        async with writer.transaction():
            await writer.send_and_wait(topic, b"one", partition=0)
        with contextlib.suppress(ZeroDivisionError):
            async with writer.transaction():
                await writer.send_and_wait(topic, b"two", partition=0)
                raise ZeroDivisionError
        async with writer.transaction():
            await writer.send_and_wait(topic, b"three", partition=0)
            await writer.send_offsets_to_transaction({Place(topic, 0): 2}, f"{unique}-group")
        await writer.stop()
        reader = AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap,
            isolation_level="read_committed",
            group_id=f"{unique}-group",
            enable_auto_commit=False,
        )
        reader.assign([Place(topic, 0)])
        await reader.start()
        committed = await reader.committed(Place(topic, 0))
        await reader.seek_to_beginning()
        seen = [(await asyncio.wait_for(reader.getone(), TIMEOUT_S)).value.decode() for _ in range(2)]
        await reader.stop()
        return [*seen, str(committed)]

    assert asyncio.run(write_and_read()) == ["one", "three", "2"]
