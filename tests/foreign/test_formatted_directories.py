"""Directories that `kafka-storage format` made in each of its ways, or nobody: Ottla, then Kafka, then Ottla again.

Each side starts with the server.properties with which the directory was formatted.
"""

from __future__ import annotations

import json
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from ..harness.broker_process import OttlaBroker
from ..harness.java_tools import why_no_java
from ..harness.kafka_cluster import KafkaNodes, format_directory, free_ports, write_properties

pytestmark = pytest.mark.timeout(420)

DIRECTORY_ID = "JEXY6aqzQY-32P5TStzaFg"
SNAPSHOTS = {
    "metadata.log.max.record.bytes.between.snapshots": "1500",
    "metadata.log.max.snapshot.interval.ms": "1000",
    "metadata.max.retention.bytes": "9000",
    "internal.metadata.log.segment.bytes": "16384",
    "log.initial.task.delay.ms": "500",
}
"""Small enough that both brokers cut the beginning off the log while a test runs."""
FORMATS = {
    "static voters": ("voters", []),
    "static voters of an older Kafka": ("voters", ["--release-version", "3.9-IV0"]),
    "standalone": ("bootstrap.servers", ["--standalone"]),
    "no initial controllers": ("bootstrap.servers", ["--no-initial-controllers"]),
    "not formatted at all": ("bootstrap.servers", None),
    "initial controllers": ("bootstrap.servers", ["--initial-controllers", "1@127.0.0.1:{port}:" + DIRECTORY_ID]),
}


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


class Formatted:
    """One formatted directory, its server.properties, and both brokers that start on it."""

    def __init__(self, home, quorum: str, arguments: list[str] | None) -> None:
        self.directory = home / "data"
        port, controller = free_ports(2)
        properties = home / "server.properties"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.listener.names": "CONTROLLER",
            f"controller.quorum.{quorum}": f"{'1@' if quorum == 'voters' else ''}127.0.0.1:{controller}",
            "log.dirs": self.directory,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            **SNAPSHOTS,
        }
        write_properties(properties, settings)
        if arguments is not None:
            filled = [argument.format(port=controller) for argument in arguments]
            format_directory(properties, home / "format.log", *filled)
        self.bootstrap = f"127.0.0.1:{port}"
        self.kafka = KafkaNodes(home, [properties])
        self.ottla = OttlaBroker(home, {}, ("--config", str(properties)))
        self.ottla.port = port

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap})

    @property
    def metadata_log(self):
        return self.directory / "__cluster_metadata-0"

    @property
    def first_segment(self):
        return self.metadata_log / f"{0:020d}.log"

    def create(self, *names: str) -> None:
        wanted = [NewTopic(name, 4, 1, config={"retention.ms": str(10**9 + len(name))}) for name in names]
        admin = self.admin()
        for created in admin.create_topics(wanted).values():
            created.result(60)

    def produce(self, topic: str, *values: bytes) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True})
        for value in values:
            producer.produce(topic, value, partition=0)
        assert producer.flush(60) == 0

    def described(self) -> dict[str, tuple[str, int]]:
        """Topic ids and partition counts by name."""
        admin = self.admin()
        futures = admin.describe_topics(TopicCollection(list(admin.list_topics(timeout=60).topics)))
        found = {name: future.result(60) for name, future in futures.items()}
        return {
            name: (str(topic.topic_id), len(topic.partitions))
            for name, topic in found.items()
            if not name.startswith("__")
        }

    def retention(self, topic: str) -> str:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        admin = self.admin()
        [future] = admin.describe_configs([resource]).values()
        return future.result(60)["retention.ms"].value

    def values(self, topic: str) -> list[bytes]:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "readers", "enable.auto.commit": False})
        partition = TopicPartition(topic, 0, 0)
        end = consumer.get_watermark_offsets(partition, timeout=60)[1]
        consumer.assign([partition])
        found: list[bytes] = []
        while len(found) < end:
            message = consumer.poll(60)
            assert message is not None
            assert message.error() is None
            found.append(message.value())
        consumer.close()
        return found


@pytest.fixture(params=FORMATS)
def formatted(request, tmp_path):
    reason = why_no_java()
    if reason:
        pytest.skip(reason)
    made = Formatted(tmp_path, *FORMATS[request.param])
    try:
        yield made
    finally:
        made.kafka.kill()
        made.ottla.kill()


def test_both_brokers_go_on_where_the_other_stopped(formatted):
    names = [f"from-ottla-{number}" for number in range(45)]
    formatted.ottla.start()
    for name in names:
        formatted.create(name)
    formatted.produce(names[0], b"1", b"2")
    wait_until(lambda: not formatted.first_segment.exists(), "the metadata log to be cut")
    by_ottla = formatted.described()
    assert formatted.ottla.stop() == 0
    assert list(formatted.metadata_log.glob("*.checkpoint")), "nothing was snapshotted"
    state = json.loads((formatted.metadata_log / "quorum-state").read_text())

    formatted.kafka.start()
    assert formatted.described() == by_ottla
    assert formatted.retention(names[3]) == str(10**9 + len(names[3]))
    formatted.produce(names[0], b"3")
    assert formatted.values(names[0]) == [b"1", b"2", b"3"]
    formatted.create("from-kafka")
    formatted.produce("from-kafka", b"4")
    by_kafka = formatted.described()
    formatted.kafka.stop()
    after = json.loads((formatted.metadata_log / "quorum-state").read_text())
    assert after == {**state, "leaderEpoch": after["leaderEpoch"]}
    assert after["leaderEpoch"] > state["leaderEpoch"]

    formatted.ottla.start()
    assert "only read" not in formatted.ottla.log_text()
    assert formatted.described() == by_kafka
    assert formatted.values(names[0]) == [b"1", b"2", b"3"]
    assert formatted.values("from-kafka") == [b"4"]
    assert formatted.retention("from-kafka") == str(10**9 + len("from-kafka"))
    formatted.produce("from-kafka", b"5")
    assert formatted.values("from-kafka") == [b"4", b"5"]
    assert formatted.ottla.stop() == 0
