"""What real clients do, as an embedded broker sees it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

import aiokafka
import confluent_kafka
import kafka
import pytest
from ottla.protocol import compression

TIMEOUT_S = 30


def committed_places(group) -> dict:
    return {place: offset.offset for place, offset in group.offsets.items()}


@contextlib.contextmanager
def polled(consumer):
    """Poll a kafka-python consumer in a thread, as an application does."""
    is_over = threading.Event()

    def poll() -> None:
        while not is_over.is_set():
            consumer.poll(timeout_ms=50)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_kafka_python(kafka_broker):
    kafka_broker.create_topics({"orders": 2})
    producer = kafka.KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers, client_id="seller")
    with contextlib.closing(producer), kafka_broker.expect("orders", count=2, timeout=TIMEOUT_S) as records:
        producer.send("orders", b"one", key=b"k", headers=[("trace", b"1")])
        producer.send("orders", b"two", key=b"k")
        producer.flush()
    assert [(r.key, r.value, r.headers) for r in records] == [(b"k", b"one", (("trace", b"1"),)), (b"k", b"two", ())]
    consumer = kafka.KafkaConsumer(
        "orders", bootstrap_servers=kafka_broker.bootstrap_servers, group_id="billing", client_id="billing-1"
    )
    with contextlib.closing(consumer), polled(consumer):
        group = kafka_broker.wait_for(lambda: _stable(kafka_broker, "billing"), TIMEOUT_S)
        assert group.protocol == "classic"
        assert [member.client_id for member in group.members] == ["billing-1"]
        assert group.assignment == {("orders", 0), ("orders", 1)}
        assert any(c.client_id == "billing-1" for c in kafka_broker.connections())


def _stable(broker, group_id):
    group = broker.groups().get(group_id)
    return group if group is not None and group.state == "Stable" and group.assignment else None


def test_aiokafka(kafka_broker):
    async def story() -> None:
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers)
        await producer.start()
        async with kafka_broker.expect("orders", count=3, timeout=TIMEOUT_S) as records:
            for number in range(3):
                await producer.send_and_wait("orders", str(number).encode())
        await producer.stop()
        assert [record.value for record in records] == [b"0", b"1", b"2"]
        consumer = aiokafka.AIOKafkaConsumer(
            "orders",
            bootstrap_servers=kafka_broker.bootstrap_servers,
            group_id="billing",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        await consumer.getone()
        await consumer.commit()
        group = kafka_broker.groups()["billing"]
        assert (committed_places(group), group.lag) == ({("orders", 0): 1}, 2)
        await consumer.stop()
        empty = await kafka_broker.wait_for_async(lambda: not kafka_broker.groups()["billing"].members, TIMEOUT_S)
        assert empty

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S * 2))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_confluent_kafka_and_transactions(kafka_broker, protocol):
    kafka_broker.create_topics(["orders"])
    options = {"bootstrap.servers": kafka_broker.bootstrap_servers}
    producer = confluent_kafka.Producer({**options, "transactional.id": "seller"})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce("orders", b"taken back")
    producer.flush(TIMEOUT_S)
    assert [r.transaction for r in kafka_broker.records("orders")] == ["open"]
    assert kafka_broker.transactions()["seller"].partitions == {("orders", 0)}
    producer.abort_transaction(TIMEOUT_S)
    with kafka_broker.expect("orders", count=1, timeout=TIMEOUT_S) as records:
        producer.begin_transaction()
        producer.produce("orders", b"kept")
        producer.commit_transaction(TIMEOUT_S)
    assert [r.value for r in records] == [b"kept"]
    assert [(r.value, r.transaction) for r in kafka_broker.records("orders")] == [
        (b"taken back", "aborted"),
        (b"kept", "committed"),
    ]
    assert kafka_broker.wait_for(lambda: kafka_broker.transactions()["seller"].state == "CompleteCommit", TIMEOUT_S)

    consumer = confluent_kafka.Consumer(
        {**options, "group.id": "billing", "group.protocol": protocol, "auto.offset.reset": "earliest"}
    )
    with contextlib.closing(consumer):
        consumer.subscribe(["orders"])
        message = consumer.poll(TIMEOUT_S)
        assert message.value() == b"kept"
        consumer.commit(message, asynchronous=False)
        group = kafka_broker.groups()["billing"]
        assert group.protocol == protocol
        assert committed_places(group) == {("orders", 0): message.offset() + 1}
        assert group.assignment == {("orders", 0)}


def produce_compressed(broker, codec: str):
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker.bootstrap_servers, "compression.type": codec, "linger.ms": 50}
    )
    with broker.expect("orders", count=3, timeout=TIMEOUT_S) as records:
        for _ in range(3):
            producer.produce("orders", b"x" * 1000, key=b"k", headers={"trace": b"1"})
        assert producer.flush(TIMEOUT_S) == 0
    return records


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_records_are_read(kafka_broker, codec):
    records = produce_compressed(kafka_broker, codec)
    assert [(r.key, r.value, r.headers) for r in records] == [(b"k", b"x" * 1000, (("trace", b"1"),))] * 3


@pytest.fixture
def only_ottla_itself(monkeypatch):
    """As where the extra `codecs` is not installed, from when it is called."""

    def begin() -> None:
        monkeypatch.setitem(sys.modules, "cramjam", None)
        compression._cramjam.cache_clear()

    yield begin
    compression._cramjam.cache_clear()


def test_a_codec_that_is_not_installed_is_named(kafka_broker, only_ottla_itself):
    produce_compressed(kafka_broker, "zstd")
    only_ottla_itself()
    with pytest.raises(compression.MissingCodec, match=r"ottla\[codecs\]"):
        kafka_broker.records("orders")
    assert "its records cannot be read" in kafka_broker.describe()
