"""Consumers of the next-generation protocol (KIP-848), by librdkafka and by Java, unchanged, against the broker."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupType, Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from ..harness.broker_process import FAST_GROUPS
from .group_members import python_member, wait_until
from .group_scenario import PARTITIONS, GroupScenario
from .test_confluent_kafka import ConfluentFamily
from .test_java import GROUP_SETTINGS, JavaFamily

# The broker sets what the clients of this protocol do; Kafka's defaults would make each test minutes long.
OPTIONS = {
    **FAST_GROUPS,
    "group.consumer.min.session.timeout.ms": "5000",
    "group.consumer.session.timeout.ms": "5000",
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "300",
    "group.consumer.assignment.interval.ms": "100",
}
TIMEOUT_S = 90


class ConfluentConsumers(ConfluentFamily):
    def member_command(self, group: str, topic: str):
        return python_member("confluent_member.py", self._bootstrap, group, topic, "consumer"), None


class JavaConsumers(JavaFamily):
    group_settings = {  # noqa: RUF012
        "auto.commit.interval.ms": GROUP_SETTINGS["auto.commit.interval.ms"],
        "group.protocol": "consumer",
    }


@pytest.mark.timeout(240)
def test_group_of_100_000_records(own_broker, unique, tmp_path):
    broker = own_broker(OPTIONS)
    family = ConfluentConsumers(broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()


@pytest.mark.timeout(300)
def test_group_of_100_000_records_with_java(own_broker, java_tools, unique, tmp_path):
    broker = own_broker(OPTIONS)
    family = JavaConsumers(java_tools, broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()


class Reader:
    """A consumer in a thread; `owned` is what it was told to read, and has not given up."""

    def __init__(self, broker, group: str, topic: str, *, protocol: str = "consumer", **settings: object) -> None:
        self.owned: set[tuple[str, int]] = set()
        self.taken = 0
        """How often it was given partitions."""
        in_protocol = {"group.protocol": "consumer"}
        if protocol == "classic":
            in_protocol = {"partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 6_000}
            in_protocol["heartbeat.interval.ms"] = 300
        self._consumer = Consumer(
            {
                "bootstrap.servers": broker.bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                **in_protocol,
                **settings,
            }
        )
        self._consumer.subscribe([topic], on_assign=self._take, on_revoke=self._give_up, on_lost=self._give_up)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()

    def _take(self, _, partitions) -> None:
        self.taken += bool(partitions)
        self.owned |= {(each.topic, each.partition) for each in partitions}

    def _give_up(self, _, partitions) -> None:
        self.owned -= {(each.topic, each.partition) for each in partitions}

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._consumer.poll(0.05)
        self._consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)


@pytest.fixture
def broker(own_broker):
    return own_broker(OPTIONS)


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def reader(broker, unique):
    readers = []

    def start(topic: str, **settings) -> Reader:
        readers.append(Reader(broker, unique, topic, **settings))
        return readers[-1]

    yield start
    for each in readers:
        each.stop()


def create(admin, topic: str, partitions: int) -> None:
    admin.create_topics([NewTopic(topic, partitions)])[topic].result(20)


def all_of(topic: str, partitions: int) -> set[tuple[str, int]]:
    return {(topic, index) for index in range(partitions)}


def described(admin, group: str):
    return admin.describe_consumer_groups([group])[group].result(20)


def owns(reader: Reader, partitions: set[tuple[str, int]], what: str) -> None:
    wait_until(lambda: reader.owned == partitions, what, TIMEOUT_S)


def shared(readers: list[Reader], topic: str, partitions: int, what: str) -> None:
    """Wait until every partition is read by one, and everybody reads as many."""

    def is_shared() -> bool:
        owned = [partition for each in readers for partition in each.owned]
        loads = [len(each.owned) for each in readers]
        return sorted(owned) == sorted(all_of(topic, partitions)) and max(loads) - min(loads) <= 1

    wait_until(is_shared, what, TIMEOUT_S)


def test_a_pattern_follows_the_topics(admin, reader, unique):
    create(admin, f"{unique}.a", 2)
    follower = reader(f"^{unique}[.].*")
    owns(follower, all_of(f"{unique}.a", 2), "the topic that is there is read")
    create(admin, f"{unique}.b", 1)
    both = all_of(f"{unique}.a", 2) | all_of(f"{unique}.b", 1)
    owns(follower, both, "a new topic is read")
    admin.create_partitions([NewPartitions(f"{unique}.b", 3)])[f"{unique}.b"].result(20)
    owns(follower, both | all_of(f"{unique}.b", 3), "new partitions are read")
    admin.delete_topics([f"{unique}.a"])[f"{unique}.a"].result(20)
    owns(follower, all_of(f"{unique}.b", 3), "a deleted topic is given up")


# librdkafka's cooperative assignor leaves data of its own in some assignments, with which no group can be converted.
PLAIN = {"partition.assignment.strategy": "range"}


def test_a_group_changes_its_protocol_while_members_live(admin, reader, unique):
    create(admin, unique, 6)
    old = [reader(unique, protocol="classic", **PLAIN) for _ in range(2)]
    shared(old, unique, 6, "the classic members share the topic")
    assert described(admin, unique).type == ConsumerGroupType.CLASSIC
    new = [reader(unique)]
    shared(old + new, unique, 6, "a consumer has its share beside classic members")
    assert described(admin, unique).type == ConsumerGroupType.CONSUMER
    for each in old:
        each.stop()
    owns(new[0], all_of(unique, 6), "the consumer has everything")
    old = [reader(unique, protocol="classic", **PLAIN) for _ in range(2)]
    shared(old + new, unique, 6, "classic members come back")
    new[0].stop()
    shared(old, unique, 6, "the classic members go on alone")
    assert described(admin, unique).type == ConsumerGroupType.CLASSIC


def test_a_static_member_comes_back_to_what_it_had(admin, reader, unique):
    create(admin, unique, 6)
    static = reader(unique, **{"group.instance.id": "one"})
    other = reader(unique, **{"group.instance.id": "two"})
    shared([static, other], unique, 6, "both have their share")
    had, taken = set(static.owned), other.taken
    epoch = described(admin, unique)
    static.stop()
    back = reader(unique, **{"group.instance.id": "one"})
    owns(back, had, "the member has what it had")
    assert other.taken == taken, "the other member was not disturbed"
    assert len(described(admin, unique).members) == len(epoch.members) == 2


def test_what_an_admin_sees(admin, broker, reader, unique):
    create(admin, unique, 2)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(unique, b"x", partition=0)
    producer.flush(20)
    only = reader(unique, **{"client.id": "me"})
    owns(only, all_of(unique, 2), "everything is read")
    wait_until(lambda: described(admin, unique).state == ConsumerGroupState.STABLE, "the group is stable")
    group = described(admin, unique)
    assert (group.type, group.partition_assignor) == (ConsumerGroupType.CONSUMER, "uniform")
    [member] = group.members
    assert (member.client_id, member.host) == ("me", "/127.0.0.1")
    assert {(each.topic, each.partition) for each in member.assignment.topic_partitions} == all_of(unique, 2)
    listed = admin.list_consumer_groups(types={ConsumerGroupType.CONSUMER}).result(20).valid
    assert unique in {each.group_id for each in listed}
    only.stop()
    wait_until(lambda: described(admin, unique).state == ConsumerGroupState.EMPTY, "the group is empty")
    admin.delete_consumer_groups([unique])[unique].result(20)
