"""kafka-python, unchanged, against the broker."""

from __future__ import annotations

import contextlib
import gc
import time

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, OffsetSpec
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

from .group_members import python_member
from .group_scenario import PARTITIONS, GroupScenario, key_of

FIRST_MS = time.time_ns() // 1_000_000 - 60_000  # retention takes what is older than the topic allows


pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


class KafkaPythonFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, reconnect_backoff_max_ms=500)

    def close(self) -> None:
        self._producer.close()

    def create_topic(self, topic: str, partitions: int) -> None:
        with KafkaAdminClient(bootstrap_servers=self._bootstrap) as admin:
            admin.create_topics({topic: {"num_partitions": partitions}})

    def produce(self, topic: str, numbers: range) -> None:
        sent = [self._producer.send(topic, str(number).encode(), key_of(number).encode()) for number in numbers]
        self._producer.flush(30)
        assert all(future.succeeded() for future in sent)

    def member_command(self, group: str, topic: str):
        return python_member("kafka_python_member.py", self._bootstrap, group, topic), None


@pytest.fixture
def admin(broker):
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as client:
        yield client


@pytest.fixture
def topic(admin, unique, soon):
    admin.create_topics({unique: {"num_partitions": 3, "configs": {"retention.ms": "1000000"}}})
    soon(lambda: unique in admin.list_topics(), "a created topic is listed")
    return unique


@pytest.fixture
def ten_records(broker, topic):
    """Ten records in the topic's partition 0, the timestamp of number n is FIRST_MS + n."""
    with contextlib.closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as producer:
        for number in range(10):
            producer.send(topic, b"v%d" % number, partition=0, timestamp_ms=FIRST_MS + number)
        producer.flush(20)
    return TopicPartition(topic, 0)


def test_group_of_100_000_records(own_broker, unique, tmp_path):
    broker = own_broker()
    family = KafkaPythonFamily(broker.bootstrap)
    try:
        family.create_topic(unique, PARTITIONS)
        GroupScenario(family, broker, unique, tmp_path).run()
    finally:
        family.close()
        del family
        gc.collect()  # kafka-python leaves the sockets of failed connections to the collector


def test_topics(admin, topic, soon):
    def partitions() -> list[int]:
        (described,) = admin.describe_topic_partitions([topic])["topics"]
        return [each["partition_index"] for each in described["partitions"]]

    (described,) = admin.describe_topics([topic])
    assert [each["partition_index"] for each in described["partitions"]] == partitions() == [0, 1, 2]
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics({topic: {"num_partitions": 1}})
    admin.create_partitions({topic: 5})
    soon(lambda: len(partitions()) == 5, "two partitions are added")
    admin.delete_topics([topic])
    soon(lambda: topic not in admin.list_topics(), "a deleted topic is not listed")
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([topic])


def test_configs(admin, topic, soon):
    def modified() -> dict[str, str]:
        described = admin.describe_configs([ConfigResource("TOPIC", topic)])["topic"][topic]
        return {key: each["value"] for key, each in described.items()}

    def alter(value: str) -> str:
        wanted = ConfigResource("TOPIC", topic, configs={"max.message.bytes": value})
        return admin.alter_configs([wanted])["topic"][topic]

    assert modified()["retention.ms"] == "1000000"
    assert alter("5000") == "OK"
    soon(lambda: modified().get("max.message.bytes") == "5000", "a config is altered")
    assert "Invalid value xx for configuration max.message.bytes" in alter("xx")
    assert modified()["max.message.bytes"] == "5000"
    admin.reset_configs([ConfigResource("TOPIC", topic, configs={"max.message.bytes": None})])
    soon(lambda: modified().get("max.message.bytes", "default") != "5000", "a config is reset")
    everything = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")["topic"][topic]
    assert everything["cleanup.policy"]["value"] == "delete"
    (broker_id,) = admin.list_config_resources()["broker"]
    of_broker = admin.describe_configs([ConfigResource("BROKER", broker_id)], config_filter="all")["broker"]
    assert "num.partitions" in of_broker[broker_id]


def test_cluster(admin, broker):
    cluster = admin.describe_cluster()
    (node,) = cluster["brokers"]
    assert (node["host"], node["port"]) == ("127.0.0.1", broker.port)
    assert cluster["controller_id"] == node["broker_id"]


def test_groups_and_their_offsets(admin, broker, ten_records, unique):
    group = unique
    consumer = KafkaConsumer(
        ten_records.topic, bootstrap_servers=broker.bootstrap, group_id=group, auto_offset_reset="earliest"
    )
    with contextlib.closing(consumer):
        read = 0
        while read < 10:
            read += sum(map(len, consumer.poll(500).values()))
        consumer.commit()
        assert group in {each["group_id"] for each in admin.list_groups()}
        described = admin.describe_groups([group])[group]
        assert (described["group_state"], described["protocol_type"]) == ("Stable", "consumer")
        (member,) = described["members"]
        assert member["member_assignment"]["assigned_partitions"] == [
            {"topic": ten_records.topic, "partitions": [0, 1, 2]}
        ]
        assert admin.delete_groups([group]) == {group: "NonEmptyGroupError"}
    assert admin.describe_groups([group])[group]["group_state"] == "Empty"
    assert admin.list_group_offsets({group: None})[group][ten_records].offset == 10
    admin.alter_group_offsets(group, {ten_records: OffsetAndMetadata(3, "moved", -1)})
    moved = admin.list_group_offsets({group: None})[group][ten_records]
    assert (moved.offset, moved.metadata) == (3, "moved")
    admin.reset_group_offsets(group, {ten_records: OffsetSpec.EARLIEST})
    assert admin.list_group_offsets({group: None})[group][ten_records].offset == 0
    admin.delete_group_offsets(group, [ten_records])
    assert ten_records not in admin.list_group_offsets({group: None})[group]
    assert admin.delete_groups([group]) == {group: "OK"}
    assert group not in {each["group_id"] for each in admin.list_groups()}


def test_offsets_and_deleted_records(admin, ten_records):
    def offset(of) -> int:
        return admin.list_partition_offsets({ten_records: of})[ten_records].offset

    assert (offset(OffsetSpec.EARLIEST), offset(OffsetSpec.LATEST), offset(FIRST_MS + 5)) == (0, 10, 5)
    assert offset(OffsetSpec.MAX_TIMESTAMP) == 9
    assert admin.delete_records({ten_records: 4})[ten_records]["low_watermark"] == 4
    assert (offset(OffsetSpec.EARLIEST), offset(OffsetSpec.LATEST), offset(FIRST_MS + 2)) == (4, 10, 4)
