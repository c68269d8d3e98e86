"""Producers that people use live through each fault, and lose and double nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import aiokafka
import confluent_kafka
import kafka
import pytest
from ottla.broker import Broker, Fault

TIMEOUT_S = 60
COUNT = 20
EXPECTED = [str(number).encode() for number in range(COUNT)]

FAULTS = {
    "not the leader": Fault.error("Produce", "NOT_LEADER_OR_FOLLOWER", times=2),
    "not enough replicas": Fault.error("Produce", "NOT_ENOUGH_REPLICAS", topic="orders", times=1),
    "appended and timed out": Fault.error("Produce", "REQUEST_TIMED_OUT", acting=True, times=2),
    "appended, not enough replicas": Fault.error("Produce", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", acting=True, times=1),
    "late": Fault.delay("Produce", 0.1, times=2),
    "disconnected": Fault.disconnect("Produce", times=2),
    "answers lost": Fault.lose_answer("Produce", times=3),
    "some answers lost": Fault.lose_answer("Produce", probability=0.5, seed=1, times=3),
    "answered and disconnected": Fault.answer_and_disconnect("Produce", times=3),
    "no leader yet": Fault.error("Metadata", "LEADER_NOT_AVAILABLE", topic="orders", times=2),
    "no metadata": Fault.disconnect("Metadata", times=1),
    "no producer id yet": Fault.error("InitProducerId", "COORDINATOR_LOAD_IN_PROGRESS", times=1),
    "slow": Fault.throttle(50_000, "Produce"),
    "versions not told": Fault.disconnect("ApiVersions", after=1, times=1),
}


@pytest.fixture(params=FAULTS, ids=list(FAULTS))
def faulty(request):
    with Broker(topics=["orders"]) as broker:
        broker.faults.add(FAULTS[request.param])
        yield broker


def produce_kafka_python(broker, between=lambda number: None, request_timeout_ms=5_000) -> None:
    producer = kafka.KafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        retry_backoff_ms=20,
        reconnect_backoff_ms=10,
        reconnect_backoff_max_ms=50,
        request_timeout_ms=request_timeout_ms,
        linger_ms=0,
    )
    with contextlib.closing(producer):
        for number, value in enumerate(EXPECTED):
            between(number)
            sent = producer.send("orders", value)
            if number % 4 == 3:
                sent.get(TIMEOUT_S)
        producer.flush(TIMEOUT_S)


def produce_confluent(broker, between=lambda number: None, request_timeout_ms=5_000) -> None:
    failed = []
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "enable.idempotence": True,
            "retry.backoff.ms": 20,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 50,
            "socket.timeout.ms": request_timeout_ms,
            "request.timeout.ms": request_timeout_ms,
            "linger.ms": 0,
            "on_delivery": lambda error, _: failed.append(error) if error else None,
        }
    )
    for number, value in enumerate(EXPECTED):
        between(number)
        producer.produce("orders", value)
        if number % 4 == 3:
            producer.flush(TIMEOUT_S)
    assert producer.flush(TIMEOUT_S) == 0
    assert failed == []


def produce_aiokafka(broker, between=lambda number: None, request_timeout_ms=5_000) -> None:
    async def story() -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap_servers,
            enable_idempotence=True,
            retry_backoff_ms=20,
            request_timeout_ms=request_timeout_ms,
        )
        while True:
            try:
                await producer.start()
            except aiokafka.errors.KafkaError:
                continue  # its first connection is not tried again by itself
            break
        sent = []
        for number, value in enumerate(EXPECTED):
            between(number)
            sent.append(await producer.send("orders", value))
            if number % 4 == 3:
                await sent[-1]
        await asyncio.gather(*sent)
        await producer.stop()

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))


PRODUCERS = {"kafka-python": produce_kafka_python, "confluent": produce_confluent, "aiokafka": produce_aiokafka}


@pytest.mark.parametrize("client", PRODUCERS)
def test_idempotent_producers_lose_and_double_nothing(faulty, client):
    PRODUCERS[client](faulty)
    assert [record.value for record in faulty.records("orders")] == EXPECTED
    assert faulty.faults.history, "the fault was never met"


@pytest.mark.parametrize("client", PRODUCERS)
def test_they_live_through_what_befalls_the_broker(client):
    with Broker(topics=["orders"]) as broker:
        mishaps = {
            4: broker.faults.crash,
            8: lambda: broker.faults.move_leader_epoch("orders"),
            10: broker.faults.freeze,
            11: broker.faults.clear,
            12: lambda: broker.faults.crash(down_seconds=0.1),
            16: lambda: broker.faults.freeze(seconds=0.2),
        }
        PRODUCERS[client](broker, lambda number: mishaps.get(number, lambda: None)())
        assert [record.value for record in broker.records("orders")] == EXPECTED


@pytest.mark.parametrize("client", PRODUCERS)
def test_they_wait_for_a_broker_that_refuses(client):
    with Broker(topics=["orders"]) as broker:
        refusing = broker.faults.refuse_connections()
        timer = threading.Timer(0.2, refusing.remove)
        timer.start()
        PRODUCERS[client](broker)
        timer.join()
        assert [record.value for record in broker.records("orders")] == EXPECTED


def test_a_full_disk_is_told_and_passes():
    with Broker(topics=["orders"]) as broker:
        outcomes = []
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                "retries": 0,
                "on_delivery": lambda error, message: outcomes.append(error and error.code()),
            }
        )
        with broker.faults.disk_full():
            producer.produce("orders", b"lost")
            producer.flush(TIMEOUT_S)
        producer.produce("orders", b"kept")
        producer.flush(TIMEOUT_S)
        assert outcomes == [confluent_kafka.KafkaError.KAFKA_STORAGE_ERROR, None]
        assert [record.value for record in broker.records("orders")] == [b"kept"]


@pytest.mark.parametrize("client", PRODUCERS)
def test_a_full_disk_that_is_waited_for(client):
    with Broker(topics=["orders"]) as broker:
        full = broker.faults.disk_full()
        timer = threading.Timer(0.2, full.remove)
        timer.start()
        PRODUCERS[client](broker)
        timer.join()
        assert [record.value for record in broker.records("orders")] == EXPECTED


@pytest.mark.parametrize("client", PRODUCERS)
@pytest.mark.parametrize("acting", [True, False])
def test_they_ask_again_where_nobody_answers(acting, client):
    with Broker(topics=["orders"]) as broker:
        broker.faults.never_answer("Produce", acting=acting, times=1)
        PRODUCERS[client](broker, request_timeout_ms=1000)
        assert [record.value for record in broker.records("orders")] == EXPECTED
        assert len(broker.faults.history) == 1


def test_one_client_is_hit_and_the_other_is_not():
    with Broker(topics=["orders"]) as broker:
        broker.faults.error("Produce", "TOPIC_AUTHORIZATION_FAILED", client_id="banned")
        made = {
            name: kafka.KafkaProducer(bootstrap_servers=broker.bootstrap_servers, client_id=name)
            for name in ("banned", "welcome")
        }
        with contextlib.closing(made["banned"]) as banned, contextlib.closing(made["welcome"]) as welcome:
            with pytest.raises(kafka.errors.TopicAuthorizationFailedError):
                banned.send("orders", b"no").get(TIMEOUT_S)
            welcome.send("orders", b"yes").get(TIMEOUT_S)
        assert [record.value for record in broker.records("orders")] == [b"yes"]
