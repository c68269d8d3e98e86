"""confluent-kafka (librdkafka), unchanged, against the broker."""

from __future__ import annotations

import contextlib
import time

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from .group_members import python_member
from .group_scenario import PARTITIONS, GroupScenario, key_of

FIRST_MS = time.time_ns() // 1_000_000 - 60_000  # retention takes what is older than the topic allows


class ConfluentFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "linger.ms": 5,
                "enable.idempotence": True,  # the order of a key's records also holds where a request is sent again
                "reconnect.backoff.max.ms": 500,
            }
        )

    def create_topic(self, topic: str, partitions: int) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        admin.create_topics([NewTopic(topic, partitions)])[topic].result(10)

    def produce(self, topic: str, numbers: range) -> None:
        failed = []
        for number in numbers:
            self._producer.produce(
                topic,
                str(number).encode(),
                key_of(number).encode(),
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )
            self._producer.poll(0)
        assert self._producer.flush(30) == 0
        assert not failed

    def member_command(self, group: str, topic: str):
        return python_member("confluent_member.py", self._bootstrap, group, topic), None


def test_group_of_100_000_records(own_broker, unique, tmp_path):
    broker = own_broker()
    family = ConfluentFamily(broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def topic(admin, unique, soon):
    admin.create_topics([NewTopic(unique, 3, config={"retention.ms": "1000000"})])[unique].result(20)
    soon(lambda: unique in admin.list_topics(timeout=20).topics, "a created topic is listed")
    return unique


@pytest.fixture
def ten_records(broker, topic):
    """Ten records in the topic's partition 0, the timestamp of number n is FIRST_MS + n."""
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(10):
        producer.produce(topic, b"v%d" % number, partition=0, timestamp=FIRST_MS + number)
    assert producer.flush(20) == 0
    return TopicPartition(topic, 0)


def error_of(future) -> int:
    with pytest.raises(KafkaException) as raised:
        future.result(20)
    return raised.value.args[0].code()


def test_topics(admin, topic, soon):
    def partitions() -> list:
        return admin.describe_topics(TopicCollection([topic]))[topic].result(20).partitions

    (leader_id,) = {each.leader.id for each in partitions()}
    assert [(each.id, [node.id for node in each.isr]) for each in partitions()] == [
        (index, [leader_id]) for index in range(3)
    ]
    again = admin.create_topics([NewTopic(topic, 1)])[topic]
    assert error_of(again) == KafkaError.TOPIC_ALREADY_EXISTS
    too_many_replicas = admin.create_topics([NewTopic(f"{topic}-2", 1, 3)])[f"{topic}-2"]
    assert error_of(too_many_replicas) == KafkaError.INVALID_REPLICATION_FACTOR
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(20)
    soon(lambda: len(partitions()) == 5, "two partitions are added")
    admin.delete_topics([topic])[topic].result(20)
    soon(lambda: topic not in admin.list_topics(timeout=20).topics, "a deleted topic is not listed")
    assert error_of(admin.delete_topics([topic])[topic]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_configs(admin, topic, soon):
    def described() -> dict[str, ConfigEntry]:
        (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        return future.result(20)

    def alter(key: str, value: str | None, operation: AlterConfigOpType):
        entry = ConfigEntry(key, value, incremental_operation=operation)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        (future,) = admin.incremental_alter_configs([resource]).values()
        return future

    assert (described()["retention.ms"].value, described()["retention.ms"].is_default) == ("1000000", False)
    alter("max.message.bytes", "5000", AlterConfigOpType.SET).result(20)
    soon(lambda: described()["max.message.bytes"].value == "5000", "a config is set")
    assert error_of(alter("max.message.bytes", "xx", AlterConfigOpType.SET)) == KafkaError.INVALID_CONFIG
    alter("max.message.bytes", None, AlterConfigOpType.DELETE).result(20)
    soon(lambda: described()["max.message.bytes"].is_default, "a config is deleted")
    alter("cleanup.policy", "compact", AlterConfigOpType.APPEND).result(20)
    both = {"delete", "compact"}
    soon(lambda: set(described()["cleanup.policy"].value.split(",")) == both, "a value is appended")
    alter("cleanup.policy", "delete", AlterConfigOpType.SUBTRACT).result(20)
    soon(lambda: described()["cleanup.policy"].value == "compact", "a value is subtracted")


def test_cluster(admin, broker):
    cluster = admin.describe_cluster().result(20)
    assert [(node.host, node.port) for node in cluster.nodes] == [("127.0.0.1", broker.port)]
    assert cluster.controller.id == cluster.nodes[0].id
    assert cluster.cluster_id


def test_groups_and_their_offsets(admin, broker, ten_records, unique):
    def committed() -> int:
        asked = ConsumerGroupTopicPartitions(unique, [TopicPartition(ten_records.topic, 0)])
        answer = admin.list_consumer_group_offsets([asked])[unique].result(20)
        return answer.topic_partitions[0].offset

    def alter_to(offset: int) -> None:
        moved = TopicPartition(ten_records.topic, 0, offset)
        admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(unique, [moved])])[unique].result(20)

    settings = {"bootstrap.servers": broker.bootstrap, "group.id": unique, "auto.offset.reset": "earliest"}
    with contextlib.closing(Consumer(settings)) as consumer:
        consumer.subscribe([ten_records.topic])
        assert len(consumer.consume(10, 30)) == 10
        consumer.commit(asynchronous=False)
        assert unique in {each.group_id for each in admin.list_consumer_groups().result(20).valid}
        described = admin.describe_consumer_groups([unique])[unique].result(20)
        assert described.state == ConsumerGroupState.STABLE
        assert sorted(each.partition for each in described.members[0].assignment.topic_partitions) == [0, 1, 2]
        assert error_of(admin.delete_consumer_groups([unique])[unique]) == KafkaError.NON_EMPTY_GROUP
    assert admin.describe_consumer_groups([unique])[unique].result(20).state == ConsumerGroupState.EMPTY
    assert committed() == 10
    alter_to(3)
    assert committed() == 3
    admin.delete_consumer_groups([unique])[unique].result(20)
    assert error_of(admin.delete_consumer_groups([unique])[unique]) == KafkaError.GROUP_ID_NOT_FOUND


def test_offsets_and_deleted_records(admin, ten_records):
    def offset(of: OffsetSpec) -> int:
        return admin.list_offsets({ten_records: of})[ten_records].result(20).offset

    specs = (
        OffsetSpec.earliest(),
        OffsetSpec.latest(),
        OffsetSpec.for_timestamp(FIRST_MS + 5),
        OffsetSpec.max_timestamp(),
    )
    assert [offset(of) for of in specs] == [0, 10, 5, 9]
    deleted = admin.delete_records([TopicPartition(ten_records.topic, 0, 4)])
    assert next(iter(deleted.values())).result(20).low_watermark == 4
    assert [offset(of) for of in specs] == [4, 10, 5, 9]
    beyond = admin.delete_records([TopicPartition(ten_records.topic, 0, 11)])
    assert error_of(next(iter(beyond.values()))) == KafkaError.OFFSET_OUT_OF_RANGE
