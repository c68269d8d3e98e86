"""Consumers that people use live through each fault: they get every record, and their offsets are kept."""

from __future__ import annotations

import asyncio
import contextlib
import time

import aiokafka
import confluent_kafka
import kafka
import pytest
from ottla.broker import Broker, Fault

TIMEOUT_S = 60
COUNT = 12
EXPECTED = [str(number).encode() for number in range(COUNT)]
TOPIC = "orders"
SESSION_MS = 3000
CONFIG = {"group.initial.rebalance.delay.ms": 0, "group.min.session.timeout.ms": 100}

FAULTS = {
    "coordinator unavailable": Fault.coordinator_unavailable(times=2),
    "coordinator of this group unavailable": Fault.coordinator_unavailable(group="readers", times=2),
    "coordinator loads": Fault.error("JoinGroup", "COORDINATOR_LOAD_IN_PROGRESS", times=1),
    "sync in a rebalance": Fault.error("SyncGroup", "REBALANCE_IN_PROGRESS", times=1),
    "join disconnected": Fault.disconnect("JoinGroup", times=1),
    "join's answer lost": Fault.lose_answer("JoinGroup", times=1),
    "sync's answer lost": Fault.lose_answer("SyncGroup", times=1),
    "offsets not stable": Fault.error("OffsetFetch", "UNSTABLE_OFFSET_COMMIT", topic=TOPIC, times=1),
    "coordinator loads for offsets": Fault.error("OffsetFetch", "COORDINATOR_LOAD_IN_PROGRESS", times=1),
    "no coordinator for offsets": Fault.error("OffsetFetch", "NOT_COORDINATOR", times=1),
    "not the leader": Fault.error("Fetch", "NOT_LEADER_OR_FOLLOWER", topic=TOPIC, times=2),
    "not the leader for offsets": Fault.error("ListOffsets", "NOT_LEADER_OR_FOLLOWER", times=1),
    "fetch session forgotten": Fault.error("Fetch", "FETCH_SESSION_ID_NOT_FOUND", times=1),
    "fenced": Fault.error("Fetch", "FENCED_LEADER_EPOCH", topic=TOPIC, partition=0, times=1),
    "fetches' answers lost": Fault.lose_answer("Fetch", times=2),
    "fetches disconnected": Fault.disconnect("Fetch", times=2),
    "fetches answered and disconnected": Fault.answer_and_disconnect("Fetch", times=2),
    "fetches late": Fault.delay("Fetch", 0.2, times=2),
    "slow": Fault.throttle(20_000, "Fetch"),
    "commits' answers lost": Fault.lose_answer("OffsetCommit", times=1),
    "commits disconnected": Fault.disconnect("OffsetCommit", times=1),
    "no coordinator for commits": Fault.error("OffsetCommit", "NOT_COORDINATOR", times=1),
    "heartbeats lost": Fault.lose_answer("Heartbeat", times=2),
}
# What these versions of the clients do not live through by themselves.
_LIMITS = {
    ("offsets not stable", "aiokafka"): "it does not know UNSTABLE_OFFSET_COMMIT and raises",
    ("no coordinator for offsets", "confluent"): "librdkafka looks for the coordinator and does not ask again",
    ("no coordinator for offsets", "confluent-next"): "librdkafka looks for the coordinator and does not ask again",
    (
        "no coordinator for commits",
        "confluent-next",
    ): "librdkafka takes each new coordinator for dead before it connects",
}


def filled_broker(*faults: Fault) -> Broker:
    broker = Broker(topics=[TOPIC], config=CONFIG).start()
    for value in EXPECTED:
        broker.produce(TOPIC, value)
    for fault in faults:
        broker.faults.add(fault)
    return broker


def consume_kafka_python(broker, between=lambda number: None) -> list[bytes]:
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
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


def consume_confluent(broker, between=lambda number: None, protocol="classic") -> list[bytes]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "readers",
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "retry.backoff.ms": 20,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 50,
            "fetch.error.backoff.ms": 20,
            "fetch.wait.max.ms": 100,
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


def consume_next_generation(broker, between=lambda number: None) -> list[bytes]:
    return consume_confluent(broker, between, "consumer")


def consume_aiokafka(broker, between=lambda number: None) -> list[bytes]:
    async def story() -> list[bytes]:
        consumer = aiokafka.AIOKafkaConsumer(
            TOPIC,
            bootstrap_servers=broker.bootstrap_servers,
            group_id="readers",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=50,
            session_timeout_ms=SESSION_MS,
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


# The consumer protocol asks other things of the coordinator, and fetches as the classic one does.
CASES = [
    (name, client)
    for name in FAULTS
    for client in CONSUMERS
    if client != "confluent-next" or "coordinator" in name or name.startswith(("offsets", "commits"))
]
CASES.remove(("coordinator loads", "confluent-next"))


@pytest.mark.parametrize(("name", "client"), CASES)
def test_consumers_get_everything_and_keep_their_place(name, client):
    if (name, client) in _LIMITS:
        pytest.skip(_LIMITS[name, client])
    with contextlib.closing(_Stopping(filled_broker(FAULTS[name]))) as running:
        broker = running.broker

        def linger(number: int) -> None:
            if name.startswith("heartbeats") and number:
                broker.wait_for(lambda: broker.faults.history, TIMEOUT_S)

        assert CONSUMERS[client](broker, linger) == EXPECTED
        assert broker.groups()["readers"].offsets[TOPIC, 0].offset == COUNT
        assert broker.faults.history, "the fault was never met"


class _Stopping:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.close = broker.stop


@pytest.mark.parametrize("client", CONSUMERS)
def test_they_live_through_what_befalls_the_broker(client):
    with contextlib.closing(_Stopping(filled_broker())) as running:
        broker = running.broker
        mishaps = [broker.faults.crash, lambda: broker.faults.move_leader_epoch(TOPIC)]
        mishaps.append(lambda: broker.faults.freeze(seconds=0.2))

        def befall(number: int) -> None:
            if mishaps and number:
                mishaps.pop(0)()

        got = CONSUMERS[client](broker, befall)
        assert sorted(set(got), key=int) == EXPECTED
        assert broker.groups()["readers"].offsets[TOPIC, 0].offset == COUNT


def test_the_next_generations_heartbeats():
    fault = Fault.lose_answer("ConsumerGroupHeartbeat", times=2)
    for made in (fault, Fault.error("ConsumerGroupHeartbeat", "COORDINATOR_LOAD_IN_PROGRESS", times=2)):
        with contextlib.closing(_Stopping(filled_broker(made))) as running:
            assert consume_next_generation(running.broker) == EXPECTED
            assert len(running.broker.faults.history) == 2


def test_a_session_ends_while_heartbeats_are_not_answered():
    """What a frozen network does: the member is gone on one side and comes back by itself."""
    with contextlib.closing(_Stopping(filled_broker())) as running:
        broker = running.broker
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                "group.id": "readers",
                "auto.offset.reset": "earliest",
                "heartbeat.interval.ms": 50,
                "socket.timeout.ms": 1000,
            }
        )
        with contextlib.closing(consumer):
            consumer.subscribe([TOPIC])
            assert consumer.poll(TIMEOUT_S).value() == b"0"
            with broker.faults.disconnect("Heartbeat") as fault:
                broker.wait_for(lambda: fault.hits, TIMEOUT_S)
                first = {member.member_id for member in broker.groups()["readers"].members}
                broker.clock.advance(minutes=1)
                assert broker.groups()["readers"].members == ()
            until = time.monotonic() + TIMEOUT_S
            while not broker.groups()["readers"].assignment and time.monotonic() < until:
                consumer.poll(0.05)
            members = broker.groups()["readers"].members
            assert len(members) == 1
            assert {member.member_id for member in members}.isdisjoint(first)
