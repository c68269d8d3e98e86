"""CreateTopics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ottla.broker.config.catalogue import TOPIC_KEYS
from ottla.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)

from ..case import RawBody, versions
from ..config_values import ODD_VALUES

if TYPE_CHECKING:
    from ..world import World

API = CreateTopicsRequest


def _one(w: World, label: str = "t", partitions: int = 1, replicas: int = 1, **said):
    return CreatableTopic(name=w.name(label), num_partitions=partitions, replication_factor=replicas, **said)


def _request(*topics, **said):
    return CreateTopicsRequest(topics=list(topics), timeout_ms=30_000, **said)


def one_topic(w):
    yield _request(_one(w))


def defaults_of_the_broker(w):
    yield _request(_one(w, partitions=-1, replicas=-1))


def several_topics(w):
    yield _request(_one(w, "a"), _one(w, "b", 3), _one(w, "c", 2))


def no_topics(w):
    yield _request()


def one_that_is_there(w):
    w.topic("t")
    yield _request(_one(w), _one(w, "new"))


def only_validated(w):
    yield _request(_one(w, partitions=2), validate_only=True)
    yield _request(_one(w, partitions=2), validate_only=True)


def only_validated_though_it_is_there(w):
    w.topic("t")
    yield _request(_one(w), validate_only=True)


def the_same_name_twice(w):
    yield _request(_one(w), _one(w, partitions=2), _one(w, "other"))


def no_partitions(w):
    yield _request(_one(w, partitions=0))


def negative_partitions(w):
    yield _request(_one(w, partitions=-2))


def no_replicas(w):
    yield _request(_one(w, replicas=0))


def negative_replicas(w):
    yield _request(_one(w, replicas=-2))


def more_replicas_than_brokers(w):
    yield _request(_one(w, replicas=2))


def names_that_are_not_valid(w):
    for name in ("", ".", "..", "a b", "a/b", "ä", "x" * 250, "a\n", "a:b"):
        yield _request(CreatableTopic(name=name, num_partitions=1, replication_factor=1))


def longest_name(w):
    yield _request(_one(w, "x" * (249 - len(w.prefix))))


def names_that_collide(w):
    w.topic("a.b")
    yield _request(_one(w, "a_b"))
    yield _request(_one(w, "c.d"), _one(w, "c_d"))


def internal_names(w):
    for name in ("__consumer_offsets", "__transaction_state", "__cluster_metadata"):
        yield _request(CreatableTopic(name=name, num_partitions=1, replication_factor=1))


def _assigned(w, *replicas, partitions=-1, factor=-1):
    assignments = [CreatableReplicaAssignment(partition_index=index, broker_ids=list(ids)) for index, ids in replicas]
    return _request(_one(w, partitions=partitions, replicas=factor, assignments=assignments))


def assigned_by_hand(w):
    yield _assigned(w, (0, [1]), (1, [1]))


def assigned_and_counted(w):
    yield _assigned(w, (0, [1]), partitions=1, factor=1)
    yield _assigned(w, (0, [1]), partitions=1)
    yield _assigned(w, (0, [1]), factor=1)


def assigned_to_a_broker_that_is_not(w):
    yield _assigned(w, (0, [7]))


def assigned_twice_to_one_broker(w):
    yield _assigned(w, (0, [1, 1]))


def assigned_to_nobody(w):
    yield _assigned(w, (0, []))


def assigned_with_a_hole(w):
    yield _assigned(w, (0, [1]), (2, [1]))


def assigned_from_one_on(w):
    yield _assigned(w, (1, [1]))


def assigned_twice(w):
    yield _assigned(w, (0, [1]), (0, [1]))


def assigned_to_a_negative_broker(w):
    yield _assigned(w, (0, [-1]))


def _configured(w, *configs, **said):
    wanted = [CreatableTopicConfig(name=name, value=value) for name, value in configs]
    return _request(_one(w, configs=wanted), **said)


def with_configs(w):
    yield _configured(w, ("cleanup.policy", "compact"), ("retention.ms", "1000"), ("max.message.bytes", "2000"))


def an_unknown_config(w):
    yield _configured(w, ("no.such.key", "1"))


def config_values_that_are_not_valid(w):
    for name, value in (
        ("retention.ms", "soon"),
        ("retention.ms", "-2"),
        ("cleanup.policy", "burn"),
        ("cleanup.policy", "compact,burn"),
        ("cleanup.policy", ""),
        ("compression.type", "brotli"),
        ("compression.gzip.level", "77"),
        ("segment.bytes", "1"),
        ("segment.bytes", "99999999999"),
        ("min.cleanable.dirty.ratio", "2"),
        ("min.cleanable.dirty.ratio", "x"),
        ("unclean.leader.election.enable", "maybe"),
        ("message.timestamp.type", "Later"),
        ("min.insync.replicas", "0"),
        ("flush.ms", "-1"),
        ("max.message.bytes", "-1"),
        ("min.compaction.lag.ms", "-1"),
        ("remote.storage.enable", "true"),
        ("leader.replication.throttled.replicas", "x"),
    ):
        yield _configured(w, (name, value))


@versions("7")
def every_config_with_odd_values(w):
    for key in sorted(TOPIC_KEYS):
        configs = [CreatableTopicConfig(name=key, value=value) for value in ODD_VALUES]
        topics = [_one(w, f"t{number}", configs=[config]) for number, config in enumerate(configs)]
        yield _request(*topics, validate_only=True)


def configs_that_contradict(w):
    yield _configured(w, ("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5"))


def a_null_config(w):
    yield _configured(w, ("retention.ms", None))


def the_same_config_twice(w):
    yield _configured(w, ("retention.ms", "1000"), ("retention.ms", "2000"))


def configs_only_validated(w):
    yield _configured(w, ("retention.ms", "1000"), validate_only=True)


def configs_with_spaces(w):
    yield _configured(w, ("retention.ms", " 1000 "), ("cleanup.policy", "compact, delete"))


def an_empty_body(w):
    yield RawBody(CreateTopicsRequest, w.version, b"")


def a_torn_body(w):
    yield RawBody(CreateTopicsRequest, w.version, b"\x00\x00\x00\x05\x00\x01a")
