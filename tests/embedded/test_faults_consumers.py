"""Consumers that people use live through each fault: they get every record, and their offsets are kept."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import aiokafka
import confluent_kafka
import kafka
import pytest
from ottla.broker import Fault

from .consuming import (
    CONSUMERS,
    COUNT,
    EXPECTED,
    SESSION_MS,
    TIMEOUT_S,
    TOPIC,
    consume_next_generation,
    filled_broker,
)

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
}

# The consumer protocol asks other things of the coordinator, and fetches as the classic one does.
CASES = [
    (name, client)
    for name in FAULTS
    for client in CONSUMERS
    if client != "confluent-next" or "coordinator" in name or name.startswith(("offsets", "commits"))
]
CASES.remove(("coordinator loads", "confluent-next"))


def assert_place_is_kept(broker) -> None:
    assert broker.groups()["readers"].offsets[TOPIC, 0].offset == COUNT


@contextlib.contextmanager
def without_ghosts(broker):
    """Who was not told of its first member id asks for another one; the group waits for the first one's session."""

    def end_its_session() -> None:
        broker.wait_for(lambda: broker.faults.history, TIMEOUT_S)
        broker.clock.advance(milliseconds=SESSION_MS + 1000)

    thread = threading.Thread(target=end_its_session)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize(("name", "client"), CASES)
def test_consumers_get_everything_and_keep_their_place(name, client):
    if (name, client) in _LIMITS:
        pytest.skip(_LIMITS[name, client])
    with filled_broker(FAULTS[name]) as broker:

        def linger(number: int) -> None:
            if name.startswith("heartbeats") and number:
                broker.wait_for(lambda: broker.faults.history, TIMEOUT_S)

        with without_ghosts(broker) if name == "join's answer lost" else contextlib.nullcontext():
            assert CONSUMERS[client](broker, linger) == EXPECTED
        assert_place_is_kept(broker)
        assert broker.faults.history, "the fault was never met"


@pytest.mark.parametrize("client", CONSUMERS)
@pytest.mark.parametrize("api", ["Fetch", "OffsetCommit"])
def test_they_ask_again_where_nobody_answers(api, client):
    with filled_broker(Fault.never_answer(api, times=1)) as broker:
        assert CONSUMERS[client](broker, request_timeout_ms=1000) == EXPECTED
        assert_place_is_kept(broker)
        assert [hit.api for hit in broker.faults.history] == [api]


@pytest.mark.parametrize("client", CONSUMERS)
def test_they_live_through_what_befalls_the_broker(client):
    with filled_broker() as broker:

        def cut_off() -> None:
            broker.faults.disconnect(times=2)
            broker.faults.refuse_connections(seconds=0.2)

        mishaps = [
            broker.faults.crash,
            lambda: broker.faults.move_leader_epoch(TOPIC),
            cut_off,
            lambda: broker.faults.freeze(seconds=0.2),
        ]

        def befall(number: int) -> None:
            if mishaps and number:
                mishaps.pop(0)()

        got = CONSUMERS[client](broker, befall)
        assert sorted(set(got), key=int) == EXPECTED
        assert_place_is_kept(broker)


@pytest.mark.parametrize("client", [client for client in CONSUMERS if client != "confluent-next"])
def test_a_full_disk_keeps_no_offsets_until_it_has_room(client):
    """As Kafka: the coordinator of a log that takes nothing is no coordinator."""
    with filled_broker() as broker:
        begun = []

        def fill_up(number: int) -> None:
            if number >= COUNT // 2 and not begun:
                begun.append(broker.faults.disk_full(seconds=1))

        assert CONSUMERS[client](broker, fill_up) == EXPECTED
        assert_place_is_kept(broker)
        assert begun


def test_the_next_generations_heartbeats():
    fault = Fault.lose_answer("ConsumerGroupHeartbeat", times=2)
    for made in (fault, Fault.error("ConsumerGroupHeartbeat", "COORDINATOR_LOAD_IN_PROGRESS", times=2)):
        with filled_broker(made) as broker:
            assert consume_next_generation(broker) == EXPECTED
            assert len(broker.faults.history) == 2


# A session that ends: what a frozen network does. The member is gone on one side, and comes back by itself


class SessionEnd:
    """Called from time to time by a consumer that polls: ends its session, and waits until it has come back."""

    def __init__(self, broker) -> None:
        self.broker = broker
        self.until = time.monotonic() + TIMEOUT_S
        self.first = self.fault = None

    def members(self) -> set[str]:
        group = self.broker.groups().get("readers")
        return {member.member_id for member in group.members if member.assignment} if group else set()

    def is_survived(self) -> bool:
        assert time.monotonic() < self.until, self.broker.describe()
        if self.first is None:
            self.first = self.members() or None
            if self.first is not None:
                self.fault = self.broker.faults.disconnect("Heartbeat")
        elif self.fault is not None and self.fault.hits:
            self.broker.clock.advance(milliseconds=SESSION_MS + 1000)
            assert self.members().isdisjoint(self.first)
            self.fault.remove()
            self.fault = None
        return self.first is not None and self.fault is None and bool(self.members() - self.first)


def poll_kafka_python(broker, is_over) -> None:
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        group_id="readers",
        heartbeat_interval_ms=50,
        session_timeout_ms=SESSION_MS,
        retry_backoff_ms=20,
    )
    with contextlib.closing(consumer):
        consumer.partitions_for_topic(TOPIC)  # as in consuming.py
        consumer.subscribe([TOPIC])
        while not is_over():
            consumer.poll(timeout_ms=50)


def poll_aiokafka(broker, is_over) -> None:
    async def story() -> None:
        consumer = aiokafka.AIOKafkaConsumer(
            TOPIC,
            bootstrap_servers=broker.bootstrap_servers,
            group_id="readers",
            heartbeat_interval_ms=50,
            session_timeout_ms=SESSION_MS,
            retry_backoff_ms=20,
        )
        async with consumer:
            while not is_over():
                await consumer.getmany(timeout_ms=50)

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))


def poll_confluent(broker, is_over) -> None:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "readers",
            "heartbeat.interval.ms": 50,
            "session.timeout.ms": SESSION_MS,
            "retry.backoff.ms": 20,
        }
    )
    with contextlib.closing(consumer):
        consumer.subscribe([TOPIC])
        while not is_over():
            consumer.poll(0.05)


@pytest.mark.parametrize("poll", [poll_kafka_python, poll_aiokafka, poll_confluent])
def test_a_session_ends_while_heartbeats_are_not_answered(poll):
    with filled_broker() as broker:
        poll(broker, SessionEnd(broker).is_survived)
