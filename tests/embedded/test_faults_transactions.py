"""Transactions of producers that people use, while things go wrong: each is there once, or not at all."""

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
TRANSACTIONS = 4
ID = "seller"
ENDINGS = ["committed" if number % 2 == 0 else "aborted" for number in range(TRANSACTIONS)]
EXPECTED = [(str(number).encode(), ending) for number, ending in enumerate(ENDINGS)]

FAULTS = [
    Fault.coordinator_unavailable(times=4),
    Fault.coordinator_unavailable(transactional_id=ID, times=2),
    Fault.lose_answer("EndTxn", times=2),
    Fault.lose_answer("InitProducerId", times=1),
    Fault.lose_answer("AddPartitionsToTxn", times=1),
    Fault.lose_answer("Produce", times=2),
    Fault.error("EndTxn", "CONCURRENT_TRANSACTIONS", times=2),
    Fault.error("AddPartitionsToTxn", "CONCURRENT_TRANSACTIONS", times=2),
    Fault.disconnect(["EndTxn", "InitProducerId", "AddPartitionsToTxn"], times=2),
]


def with_confluent(broker) -> None:
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "transactional.id": ID,
            "retry.backoff.ms": 20,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 50,
            "linger.ms": 0,
        }
    )
    producer.init_transactions(TIMEOUT_S)
    for number, ending in enumerate(ENDINGS):
        producer.begin_transaction()
        producer.produce("orders", str(number).encode())
        producer.flush(TIMEOUT_S)
        end = producer.commit_transaction if ending == "committed" else producer.abort_transaction
        end(TIMEOUT_S)


def with_kafka_python(broker) -> None:
    producer = kafka.KafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        transactional_id=ID,
        retry_backoff_ms=20,
        reconnect_backoff_ms=10,
        reconnect_backoff_max_ms=50,
        linger_ms=0,
    )
    with contextlib.closing(producer):
        producer.init_transactions()
        for number, ending in enumerate(ENDINGS):
            producer.begin_transaction()
            producer.send("orders", str(number).encode()).get(TIMEOUT_S)
            end = producer.commit_transaction if ending == "committed" else producer.abort_transaction
            end()


def with_aiokafka(broker) -> None:
    async def story() -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap_servers, transactional_id=ID, retry_backoff_ms=20
        )
        until = time.monotonic() + TIMEOUT_S
        while True:
            try:
                await producer.start()
            except aiokafka.errors.KafkaError:
                assert time.monotonic() < until
                continue  # its first connection is not tried again by itself
            break
        for number, ending in enumerate(ENDINGS):
            await producer.begin_transaction()
            await producer.send_and_wait("orders", str(number).encode())
            await (producer.commit_transaction() if ending == "committed" else producer.abort_transaction())
        await producer.stop()

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))


CLIENTS = {"kafka-python": with_kafka_python, "aiokafka": with_aiokafka, "confluent": with_confluent}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_transaction_is_there_once_or_not_at_all(fault, client):
    with Broker(topics=["orders"]) as broker:
        broker.faults.add(fault)
        CLIENTS[client](broker)
        found = broker.wait_for(
            lambda: (seen := endings(broker)) and all(ending != "open" for _, ending in seen) and seen, TIMEOUT_S
        )
        assert found == EXPECTED
        assert broker.faults.history


def endings(broker) -> list:
    return [(record.value, record.transaction) for record in broker.records("orders")]


@pytest.mark.parametrize("client", CLIENTS)
def test_without_faults(client):
    with Broker(topics=["orders"]) as broker:
        CLIENTS[client](broker)
        broker.wait_for(lambda: endings(broker) == EXPECTED, TIMEOUT_S)
