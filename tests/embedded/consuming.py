"""Consumers as people have them: each reads a topic as a member of a group, and commits what it has read.

`between` is called before each poll with the number of records that have come so far. Sessions are so long that no slow
machine ends them; where a test needs one to end, it moves the broker's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import aiokafka
import confluent_kafka
import kafka
from ottla.broker import Broker, Fault

TIMEOUT_S = 90
COUNT = 12
EXPECTED = [str(number).encode() for number in range(COUNT)]
TOPIC = "orders"
SESSION_MS = 300_000
# With the consumer protocol librdkafka keeps a commit that is to be tried again at its connection to the coordinator.
# When that is found again the commit fails there, which makes librdkafka look for the coordinator, and so on.
AFTER_COORDINATOR_QUERY_MS = 1500
CONFIG = {"group.initial.rebalance.delay.ms": 0}


@contextlib.contextmanager
def filled_broker(*faults: Fault):
    """A broker that has the records, and these faults."""
    with Broker(topics=[TOPIC], config=CONFIG) as broker:
        for value in EXPECTED:
            broker.produce(TOPIC, value)
        for fault in faults:
            broker.faults.add(fault)
        yield broker


def consume_kafka_python(broker, between=lambda number: None, request_timeout_ms=30_000) -> list[bytes]:
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        request_timeout_ms=request_timeout_ms,
        group_id="readers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        heartbeat_interval_ms=50,
        session_timeout_ms=SESSION_MS,
        retry_backoff_ms=20,
        reconnect_backoff_ms=10,
        reconnect_backoff_max_ms=50,
        max_poll_records=3,
        consumer_timeout_ms=TIMEOUT_S * 1000,
    )
    got: list[bytes] = []
    with contextlib.closing(consumer):
        # kafka-python 3.0.12 that joins before it knows the topic joins again, and now and then never ends with that.
        consumer.partitions_for_topic(TOPIC)
        consumer.subscribe([TOPIC])
        until = time.monotonic() + TIMEOUT_S
        while len(got) < COUNT and time.monotonic() < until:
            between(len(got))
            for records in consumer.poll(timeout_ms=100).values():
                got += [record.value for record in records]
        _retried(consumer.commit, kafka.errors.KafkaError, lambda: consumer.poll(timeout_ms=50))
    return got


def consume_confluent(
    broker, between=lambda number: None, request_timeout_ms=30_000, protocol="classic"
) -> list[bytes]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "readers",
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "retry.backoff.ms": 20 if protocol == "classic" else AFTER_COORDINATOR_QUERY_MS,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 50,
            "fetch.error.backoff.ms": 20,
            "fetch.wait.max.ms": 100,
            "socket.timeout.ms": request_timeout_ms,
            **({"heartbeat.interval.ms": 50, "session.timeout.ms": SESSION_MS} if protocol == "classic" else {}),
        }
    )
    got: list[bytes] = []
    with contextlib.closing(consumer):
        consumer.subscribe([TOPIC])
        until = time.monotonic() + TIMEOUT_S
        while len(got) < COUNT and time.monotonic() < until:
            between(len(got))
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                got.append(message.value())
        # By name: where the session ends meanwhile, what is polled then begins again.
        read = [confluent_kafka.TopicPartition(TOPIC, 0, COUNT)]
        _retried(
            lambda: consumer.commit(offsets=read, asynchronous=False),
            confluent_kafka.KafkaException,
            lambda: consumer.poll(0.05),
        )
    return got


def consume_next_generation(broker, between=lambda number: None, request_timeout_ms=30_000) -> list[bytes]:
    return consume_confluent(broker, between, request_timeout_ms, "consumer")


def consume_aiokafka(broker, between=lambda number: None, request_timeout_ms=30_000) -> list[bytes]:
    async def story() -> list[bytes]:
        consumer = aiokafka.AIOKafkaConsumer(
            TOPIC,
            bootstrap_servers=broker.bootstrap_servers,
            group_id="readers",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=50,
            session_timeout_ms=SESSION_MS,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=20,
            max_poll_records=3,
        )
        await consumer.start()
        got: list[bytes] = []
        while len(got) < COUNT:
            await asyncio.to_thread(between, len(got))
            for records in (await consumer.getmany(timeout_ms=100)).values():
                got += [record.value for record in records]
        while True:
            try:
                await consumer.commit()
            except aiokafka.errors.KafkaError:
                continue
            break
        await consumer.stop()
        return got

    return asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))


def _retried(act, error, poll) -> None:
    """A commit that is interrupted is the application's to repeat."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        try:
            act()
        except error:
            assert time.monotonic() < until
            poll()
            continue
        return


CONSUMERS = {
    "kafka-python": consume_kafka_python,
    "aiokafka": consume_aiokafka,
    "confluent": consume_confluent,
    "confluent-next": consume_next_generation,
}
