"""The log directories of a cluster of three, each opened alone: everything in it is served and nothing is changed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaPartition
from kafka.errors import GroupAuthorizationFailedError, PolicyViolationError
from ottla.broker.runtime.group_coordinators import partition_for
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse

from ..harness.broker_process import OttlaBroker
from ..harness.java_tools import why_no_java
from ..harness.kafka_cluster import KafkaCluster
from ..harness.raw_client import RawClient
from ..harness.unchanged import photograph

pytestmark = pytest.mark.timeout(420)

NODES = 3
TOPICS = {"one": 1, "two": 2, "three": 3}
"""Replication factors by name; each topic has six partitions."""
PARTITIONS = 6
RECORDS = 300
GROUPS = [f"group-{number}" for number in range(6)]
OPTIONS = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "6",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}


class Produced:
    """What clients were told that the cluster has."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.committed: dict[str, dict[int, int]] = {}

    def told(self, error, message) -> None:
        assert error is None
        self.values[message.topic(), message.partition()].append(message.value())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    reason = why_no_java()
    if reason:
        pytest.skip(reason)
    cluster = KafkaCluster(tmp_path_factory.mktemp("cluster"), NODES, OPTIONS)
    cluster.start()
    try:
        yield cluster, fill(cluster)
    finally:
        cluster.kill()


def fill(cluster) -> Produced:
    """Use the cluster, and kill it while its files are as a loss of all machines would leave them."""
    produced = Produced()
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    wanted = [NewTopic(name, PARTITIONS, factor) for name, factor in TOPICS.items()]
    for created in admin.create_topics(wanted).values():
        created.result(60)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all"})
    for number in range(RECORDS):
        for topic in TOPICS:
            producer.produce(topic, b"%d" % number, key=b"k%d" % number, on_delivery=produced.told)
    assert producer.flush(60) == 0
    for number, group in enumerate(GROUPS):
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": group, "enable.auto.commit": False})
        offsets = [TopicPartition("one", index, number + index) for index in range(PARTITIONS)]
        consumer.commit(offsets=offsets, asynchronous=False)
        consumer.close()
        produced.committed[group] = {offset.partition: offset.offset for offset in offsets}
    cluster.kill()
    return produced


@pytest.fixture(scope="module", params=range(1, NODES + 1), ids=lambda node: f"node{node}")
def reader(request, cluster, tmp_path_factory):
    """An Ottla on a copy of one node's directory. Whatever the tests do, the copy must stay what it was."""
    kafka, produced = cluster
    broker = OttlaBroker(tmp_path_factory.mktemp("reader"), {"node.id": str(request.param)})
    shutil.copytree(kafka.directory(request.param), broker.data_dir)
    before = photograph(broker.data_dir)
    broker.start()
    try:
        yield broker, produced
    finally:
        broker.kill()
    assert photograph(broker.data_dir) == before


def held(broker) -> dict[tuple[str, int], bool]:
    """Which partitions have a leader, as a client sees it."""
    metadata = AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=30)
    return {
        (name, index): partition.leader >= 0
        for name, topic in metadata.topics.items()
        for index, partition in topic.partitions.items()
    }


def test_one_line_says_what_it_is_and_why(reader):
    broker, _ = reader
    lines = [line for line in broker.log_text().splitlines() if "only read" in line]
    assert len(lines) == 1
    assert re.search(r"its cluster has brokers beside|the voters of its metadata are 1", lines[0])
    served = sum(held(broker).values())
    assert re.search(rf"; {served} of \d+ partitions are here$", lines[0])


def test_the_partitions_whose_folders_are_here_are_led_and_the_others_are_not(reader):
    broker, _ = reader
    for (name, index), is_held in held(broker).items():
        assert is_held == (broker.data_dir / f"{name}-{index}").is_dir(), (name, index)
    assert all(is_held for (name, _), is_held in held(broker).items() if name == "three")


def test_every_record_that_was_acknowledged_is_read(reader):
    broker, produced = reader
    wanted = {key: values for key, values in produced.values.items() if held(broker)[key]}
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=60_000
    )
    consumer.assign([KafkaPartition(*key) for key in wanted])
    found = defaultdict(list)
    missing = sum(map(len, wanted.values()))
    for message in consumer:
        found[message.topic, message.partition].append(message.value)
        missing -= 1
        if not missing:
            break
    consumer.close()
    assert found == wanted


def test_groups_are_looked_up_where_their_partition_is_here(reader):
    broker, produced = reader
    folders = {int(path.name.rpartition("-")[2]) for path in broker.data_dir.glob("__consumer_offsets-*")}
    asked = [OffsetFetchRequestTopic(name="one", partition_indexes=list(range(PARTITIONS)))]
    with RawClient(broker) as client:
        for group, committed in produced.committed.items():
            found = client.ask(FindCoordinatorRequest(key=group), FindCoordinatorResponse, 3)
            answer = client.ask(OffsetFetchRequest(group_id=group, topics=asked), OffsetFetchResponse, 7)
            if partition_for(group, 6) in folders:
                assert (found.error_code, answer.error_code) == (ErrorCode.NONE, ErrorCode.NONE)
                [topic] = answer.topics
                assert {p.partition_index: p.committed_offset for p in topic.partitions} == committed
            else:
                assert found.error_code == ErrorCode.GROUP_AUTHORIZATION_FAILED
                assert "not in this directory" in found.error_message
                assert answer.error_code == ErrorCode.NOT_COORDINATOR


class TestChanges:
    """Real clients are told at once, and finally."""

    def test_confluent_kafka_cannot_produce(self, reader):
        broker, _ = reader
        told = []
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("three", b"x", on_delivery=lambda error, _: told.append(error.name()))
        assert producer.flush(60) == 0
        assert told == ["POLICY_VIOLATION"]

    def test_kafka_python_says_why(self, reader):
        broker, _ = reader
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=False)
        with pytest.raises(PolicyViolationError, match="only reads its data directory"):
            producer.send("three", b"x").get(60)
        producer.close()

    def test_kcat_gives_up(self, reader):
        broker, _ = reader
        if shutil.which("kcat") is None:
            pytest.skip("kcat is not there")
        done = subprocess.run(
            ["kcat", "-b", broker.bootstrap, "-P", "-t", "three"], input=b"x", capture_output=True, timeout=100
        )
        assert done.returncode == 1
        assert b"Policy violation" in done.stderr

    def test_a_group_cannot_be_joined(self, reader):
        broker, _ = reader
        consumer = KafkaConsumer(
            "three", bootstrap_servers=broker.bootstrap, group_id="group-0", consumer_timeout_ms=60_000
        )
        with pytest.raises(GroupAuthorizationFailedError):
            next(consumer)
        consumer.close(autocommit=False)

    @pytest.mark.parametrize("change", ["create", "delete"])
    def test_topics_stay_as_they_are(self, reader, change):
        broker, _ = reader
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        asked = admin.create_topics([NewTopic("more", 1, 1)]) if change == "create" else admin.delete_topics(["one"])
        [outcome] = asked.values()
        with pytest.raises(KafkaException) as caught:
            outcome.result(60)
        assert caught.value.args[0].name() == "POLICY_VIOLATION"
