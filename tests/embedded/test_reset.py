"""A reset: everything is gone, the port and the connections are the same, and clients find their way by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading

import aiokafka
import confluent_kafka
import kafka
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from ottla.broker import Broker, EmbeddedBrokerError, InvalidOption, RequestRefused, TopicSpec
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.fetch import FetchResponse
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse

from ..harness.raw_client import RawClient, fetch_request, request_frame

TIMEOUT_S = 60


@pytest.fixture
def orders_broker():
    with Broker(topics={"orders": 1}) as broker:
        yield broker


def test_nothing_is_left(orders_broker):
    port = orders_broker.port
    orders_broker.produce("orders", "x")
    orders_broker.produce("made-by-use", "x")
    orders_broker.commit("readers", "orders", 1)
    orders_broker.reset()
    assert orders_broker.port == port
    assert {name: [p.end_offset for p in topic.partitions] for name, topic in orders_broker.topics().items()} == {
        "orders": [0]
    }
    assert orders_broker.groups() == {}
    assert orders_broker.transactions() == {}


def test_other_topics_than_at_the_start(orders_broker):
    orders_broker.reset(topics={"audit": TopicSpec(2, {"retention.ms": 5})})
    assert [(t.name, len(t.partitions), t.config) for t in orders_broker.topics().values()] == [
        ("audit", 2, {"retention.ms": "5"})
    ]
    orders_broker.reset(topics=[])
    assert orders_broker.topics() == {}
    orders_broker.reset()
    assert list(orders_broker.topics()) == ["orders"]


def test_a_reset_that_cannot_be(orders_broker):
    orders_broker.produce("orders", "kept")
    with pytest.raises(InvalidOption):
        orders_broker.reset(topics={"orders": "many"})
    assert len(orders_broker.records("orders")) == 1
    with pytest.raises(RequestRefused, match="INVALID_PARTITIONS"):
        orders_broker.reset(topics={"orders": 0})
    orders_broker.reset()
    assert orders_broker.records("orders") == []


def test_a_broker_that_is_only_read_cannot_be_reset(tmp_path):
    with Broker(data_dir=tmp_path, topics=["orders"]) as broker:
        broker.produce("orders", "kept")
    with Broker(data_dir=tmp_path, config={"ottla.read.only": True}) as broker:
        with pytest.raises(EmbeddedBrokerError, match="only read"):
            broker.reset(topics=[])
        assert [record.value for record in broker.records("orders")] == [b"kept"]


def test_configs_are_taken_back(orders_broker):
    admin = AdminClient({"bootstrap.servers": orders_broker.bootstrap_servers})
    for kind, name, key in (
        (ConfigResource.Type.BROKER, "1", "log.retention.ms"),
        (ConfigResource.Type.TOPIC, "orders", "retention.ms"),
    ):
        entry = ConfigEntry(key, "77", incremental_operation=AlterConfigOpType.SET)
        (done,) = admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=[entry])]).values()
        done.result(TIMEOUT_S)
    assert orders_broker.topics()["orders"].config == {"retention.ms": "77"}
    orders_broker.reset()
    resource = ConfigResource(ConfigResource.Type.TOPIC, "orders")
    (described,) = admin.describe_configs([resource]).values()
    assert described.result(TIMEOUT_S)["retention.ms"].value == "604800000"


def test_many_resets_leave_no_files_and_no_descriptors(orders_broker):
    home = orders_broker._running.broker.directories.directories[0].path

    def use_and_reset() -> None:
        orders_broker.produce("orders", "x")
        orders_broker.commit("readers", "orders", 1)
        orders_broker.reset()

    for _ in range(3):
        use_and_reset()
    orders_broker.wait_for(lambda: not [name for name in os.listdir(home) if name.endswith("-delete")])
    files, descriptors = set(os.listdir(home)), len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        use_and_reset()
    orders_broker.wait_for(lambda: set(os.listdir(home)) == files)
    assert len(os.listdir("/proc/self/fd")) <= descriptors


# What clients are answered


def test_a_waiting_fetch_is_answered(orders_broker):
    with RawClient(orders_broker) as client:
        client.send(request_frame(fetch_request("orders", max_wait_ms=60_000, min_bytes=1), 12))
        orders_broker.wait_for(lambda: [c for c in orders_broker.connections() if c.waiting_for])
        orders_broker.reset(topics=[])
        _, response = client.read_response(type(fetch_request("orders")), FetchResponse, 12)
        partition = response.responses[0].partitions[0]
        assert partition.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_members_of_a_group_are_unknown(orders_broker):
    orders_broker.commit("readers", "orders", 0)
    with RawClient(orders_broker) as client:
        join = JoinGroupRequest(
            group_id="readers",
            session_timeout_ms=30_000,
            rebalance_timeout_ms=30_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
        joined = client.ask(join, JoinGroupResponse, 3)
        assert joined.error_code == ErrorCode.NONE
        heartbeat = HeartbeatRequest(group_id="readers", generation_id=joined.generation_id, member_id=joined.member_id)
        orders_broker.reset()
        assert client.ask(heartbeat, HeartbeatResponse, 3).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_reset_while_records_are_written(orders_broker):
    is_over = threading.Event()
    produced = threading.Event()

    def produce() -> None:
        while not is_over.is_set():
            orders_broker.produce("orders", "x")
            produced.set()

    thread = threading.Thread(target=produce)
    thread.start()
    for _ in range(10):
        assert produced.wait(TIMEOUT_S)
        orders_broker.reset()
        produced.clear()
    is_over.set()
    thread.join()
    offsets = [record.offset for record in orders_broker.records("orders")]
    assert offsets == list(range(len(offsets)))


def stream_kafka_python(broker, is_over) -> None:
    with contextlib.closing(kafka.KafkaProducer(bootstrap_servers=broker.bootstrap_servers)) as producer:
        while not is_over.is_set():
            with contextlib.suppress(kafka.errors.KafkaError):  # of a topic that is gone for a moment
                producer.send("orders", b"x").get(TIMEOUT_S)
        producer.send("orders", b"last").get(TIMEOUT_S)


def stream_aiokafka(broker, is_over) -> None:
    async def story() -> None:
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers) as producer:
            while not is_over.is_set():
                with contextlib.suppress(aiokafka.errors.KafkaError):
                    await producer.send_and_wait("orders", b"x")
            await producer.send_and_wait("orders", b"last")

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))


def stream_confluent(broker, is_over) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0})
    while not is_over.is_set():
        producer.produce("orders", b"x")
        producer.flush(TIMEOUT_S)
    producer.produce("orders", b"last")
    assert producer.flush(TIMEOUT_S) == 0


@pytest.mark.parametrize("stream", [stream_kafka_python, stream_aiokafka, stream_confluent])
def test_a_reset_while_a_client_writes(orders_broker, stream):
    is_over = threading.Event()
    thread = threading.Thread(target=stream, args=(orders_broker, is_over))
    thread.start()
    for _ in range(5):
        orders_broker.wait_for(lambda: orders_broker.records("orders"), TIMEOUT_S)
        orders_broker.reset()
    is_over.set()
    thread.join()
    records = orders_broker.records("orders")
    assert [record.offset for record in records] == list(range(len(records)))
    assert records[-1].value == b"last"


# Clients that stay connected: each goes on with the producer and the consumer that it has


def test_kafka_python_goes_on(orders_broker):
    servers = orders_broker.bootstrap_servers
    producer = kafka.KafkaProducer(bootstrap_servers=servers)
    consumer = kafka.KafkaConsumer(
        "orders",
        bootstrap_servers=servers,
        group_id="readers",
        auto_offset_reset="earliest",
        heartbeat_interval_ms=200,
        consumer_timeout_ms=TIMEOUT_S * 1000,
    )
    with contextlib.closing(producer), contextlib.closing(consumer):
        for round_ in range(3):
            for number in range(3 - round_):
                value = f"{round_}-{number}".encode()
                producer.send("orders", value).get(TIMEOUT_S)
                assert next(consumer).value == value
            orders_broker.reset()


def test_aiokafka_goes_on(orders_broker):
    async def story() -> None:
        servers = orders_broker.bootstrap_servers
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=servers)
        consumer = aiokafka.AIOKafkaConsumer(
            "orders",
            bootstrap_servers=servers,
            group_id="readers",
            auto_offset_reset="earliest",
            heartbeat_interval_ms=200,
        )
        await producer.start()
        await consumer.start()
        for round_ in range(3):
            for number in range(3 - round_):
                value = f"{round_}-{number}".encode()
                await producer.send_and_wait("orders", value)
                assert (await consumer.getone()).value == value
            orders_broker.reset()
        await consumer.stop()
        await producer.stop()

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_confluent_kafka_goes_on(orders_broker, protocol):
    options = {"bootstrap.servers": orders_broker.bootstrap_servers}
    producer = confluent_kafka.Producer(options)
    group = {"group.id": "readers", "group.protocol": protocol, "auto.offset.reset": "earliest"}
    if protocol == "classic":
        group["heartbeat.interval.ms"] = 200
    consumer = confluent_kafka.Consumer({**options, **group})
    with contextlib.closing(consumer):
        consumer.subscribe(["orders"])
        for round_ in range(3):
            for number in range(3 - round_):
                value = f"{round_}-{number}".encode()
                producer.produce("orders", value)
                assert producer.flush(TIMEOUT_S) == 0
                assert next_value(consumer) == value
            orders_broker.reset()


def test_idempotent_producers_go_on(orders_broker):
    servers = orders_broker.bootstrap_servers
    first = kafka.KafkaProducer(bootstrap_servers=servers, enable_idempotence=True)
    second = confluent_kafka.Producer({"bootstrap.servers": servers, "enable.idempotence": True})
    with contextlib.closing(first):
        for _ in range(3):
            with orders_broker.expect("orders", count=6, timeout=TIMEOUT_S) as records:
                for _ in range(3):
                    first.send("orders", b"x").get(TIMEOUT_S)
                    second.produce("orders", b"y")
                    assert second.flush(TIMEOUT_S) == 0
            assert len({record.producer_id for record in records} - {None}) == 2
            orders_broker.reset()


def test_an_idempotent_aiokafka_producer_goes_on(orders_broker):
    async def story() -> None:
        servers = orders_broker.bootstrap_servers
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True) as producer:
            for _ in range(3):
                async with orders_broker.expect("orders", count=3, timeout=TIMEOUT_S):
                    for _ in range(3):
                        await producer.send_and_wait("orders", b"x")
                orders_broker.reset()

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))


def test_a_transactional_producer_is_unknown_and_the_next_one_begins(orders_broker):
    options = {"bootstrap.servers": orders_broker.bootstrap_servers, "transactional.id": "seller"}
    producer = confluent_kafka.Producer(options)
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce("orders", b"open")
    producer.flush(TIMEOUT_S)
    orders_broker.reset()
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        producer.commit_transaction(TIMEOUT_S)
    assert refused.value.args[0].code() == confluent_kafka.KafkaError.INVALID_PRODUCER_ID_MAPPING
    successor = confluent_kafka.Producer(options)
    successor.init_transactions(TIMEOUT_S)
    successor.begin_transaction()
    successor.produce("orders", b"kept")
    successor.commit_transaction(TIMEOUT_S)
    assert [(r.value, r.transaction) for r in orders_broker.records("orders")] == [(b"kept", "committed")]


def test_kafka_pythons_transactional_producer_is_unknown_and_the_next_one_begins(orders_broker):
    options = {"bootstrap_servers": orders_broker.bootstrap_servers, "transactional_id": "seller"}
    with contextlib.closing(kafka.KafkaProducer(**options)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send("orders", b"open").get(TIMEOUT_S)
        orders_broker.reset()
        with pytest.raises(kafka.errors.KafkaError):
            producer.commit_transaction()
    with contextlib.closing(kafka.KafkaProducer(**options)) as successor:
        successor.init_transactions()
        successor.begin_transaction()
        successor.send("orders", b"kept").get(TIMEOUT_S)
        successor.commit_transaction()
    assert_only_kept(orders_broker)


def test_aiokafkas_transactional_producer_is_unknown_and_the_next_one_begins(orders_broker):
    async def story() -> None:
        options = {"bootstrap_servers": orders_broker.bootstrap_servers, "transactional_id": "seller"}
        producer = aiokafka.AIOKafkaProducer(**options)
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait("orders", b"open")
        orders_broker.reset()
        with pytest.raises(aiokafka.errors.KafkaError):
            await producer.commit_transaction()
        async with aiokafka.AIOKafkaProducer(**options) as successor, successor.transaction():
            await successor.send_and_wait("orders", b"kept")
        with contextlib.suppress(aiokafka.errors.KafkaError):
            await producer.stop()

    asyncio.run(asyncio.wait_for(story(), TIMEOUT_S))
    assert_only_kept(orders_broker)


def assert_only_kept(broker) -> None:
    broker.wait_for(
        lambda: [(r.value, r.transaction) for r in broker.records("orders")] == [(b"kept", "committed")], TIMEOUT_S
    )


def next_value(consumer: confluent_kafka.Consumer) -> bytes | None:
    """The next record's value; a consumer is told of the topic that was gone for a moment, which is no record."""
    while (message := consumer.poll(TIMEOUT_S)) is not None and message.error() is not None:
        assert message.error().code() in (
            confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
            confluent_kafka.KafkaError.UNKNOWN_TOPIC_ID,
        )
    return None if message is None else message.value()
