"""IncrementalAlterConfigs."""

from __future__ import annotations

from ottla.broker.config.catalogue import BROKER_KEYS, GROUP_CONFIG_KEYS
from ottla.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

from ..case import alone, versions
from ..config_values import ODD_VALUES

API = IncrementalAlterConfigsRequest
TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
# What some ask for is not there, and so they are refused with the reason; others are refused in words of Java's own.
_ASK_FOR_MORE = (
    "config.providers",
    "cordoned.log.dirs",
    "listener.security.protocol.map",
    "log.cleaner.threads",
    "max.connection.creation.rate",
    "max.connections.per.ip.overrides",
    "metric.reporters",
    "principal.builder.class",
    "ssl.engine.factory.class",
)


def _resource(kind, name, *changes):
    configs = [AlterableConfig(name=key, config_operation=how, value=value) for key, how, value in changes]
    return AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)


def _request(*resources, **said):
    return IncrementalAlterConfigsRequest(resources=list(resources), **said)


def _now(kind, name, *keys):
    wanted = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=list(keys))
    return DescribeConfigsRequest(resources=[wanted], include_synonyms=True)


def set_and_deleted(w):
    topic = w.topic(retention_ms="1000")
    changes = (("max.message.bytes", SET, "5000"), ("retention.ms", DELETE, None))
    yield _request(_resource(TOPIC, topic.name, *changes))
    w.settle()
    yield _now(TOPIC, topic.name, "max.message.bytes", "retention.ms")


def appended_and_subtracted(w):
    topic = w.topic(cleanup_policy="delete")
    for how, value in ((APPEND, "compact"), (APPEND, "compact"), (SUBTRACT, "delete"), (SUBTRACT, "x"), (APPEND, "")):
        yield _request(_resource(TOPIC, topic.name, ("cleanup.policy", how, value)))
        w.settle()
        yield _now(TOPIC, topic.name, "cleanup.policy")


def appended_to_what_is_no_list(w):
    topic = w.topic()
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", APPEND, "1")))
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", SUBTRACT, "1")))
    yield _request(_resource(TOPIC, topic.name, ("no.such.key", APPEND, "1")))


def what_is_not_valid(w):
    topic = w.topic()
    for key, value in (
        ("retention.ms", "soon"),
        ("retention.ms", None),
        ("retention.ms", "-2"),
        ("no.such.key", "1"),
        ("", "1"),
        ("cleanup.policy", "burn"),
        ("segment.bytes", "1"),
        ("compression.type", "brotli"),
        ("min.insync.replicas", "0"),
        ("unclean.leader.election.enable", "maybe"),
    ):
        yield _request(_resource(TOPIC, topic.name, (key, SET, value)))


def an_unknown_operation(w):
    topic = w.topic()
    valid, wrong = ("retention.ms", SET, "1"), ("retention.ms", 4, "1")
    # Apache Kafka's controller resigns over it and is elected anew, so this is asked once only.
    yield _request(_resource(TOPIC, topic.name, wrong), _resource(TOPIC, w.topic("u").name, valid))
    yield _request(_resource(BROKER, "1", wrong), _resource(BROKER, "", ("log.retention.ms", -1, "1")))
    yield _request(_resource(LOGGER, "1", ("root", 9, "INFO")))


def the_same_key_twice(w):
    topic = w.topic()
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", SET, "1"), ("retention.ms", SET, "2")))


def the_same_resource_twice(w):
    topic = w.topic()
    one, two = ("retention.ms", SET, "1"), ("max.message.bytes", SET, "2")
    yield _request(_resource(TOPIC, topic.name, one), _resource(TOPIC, topic.name, two))


def one_valid_and_one_not(w):
    topic = w.topic()
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", SET, "1"), ("no.such.key", SET, "2")))
    w.settle()
    yield _now(TOPIC, topic.name, "retention.ms")


def only_validated(w):
    topic = w.topic()
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", SET, "1")), validate_only=True)
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", SET, "x")), validate_only=True)
    w.settle()
    yield _now(TOPIC, topic.name, "retention.ms")


def what_is_not_there(w):
    yield _request(_resource(TOPIC, w.name("none"), ("retention.ms", SET, "1")))
    yield _request(_resource(TOPIC, "", ("retention.ms", SET, "1")))


def names_that_are_not_valid(w):
    for name in ("a b", ".", "x" * 250):
        yield _request(_resource(TOPIC, name, ("retention.ms", SET, "1")))


def no_changes(w):
    yield _request(_resource(TOPIC, w.topic().name))
    yield _request()


def types_that_are_not_there(w):
    for kind in (0, 1, 3, 64, -1):
        yield _request(_resource(kind, "x", ("retention.ms", SET, "1")))


def a_group(w):
    group = w.name("g")
    yield _request(_resource(GROUP, group, ("consumer.session.timeout.ms", SET, "50000")))
    w.settle()
    yield _now(GROUP, group, "consumer.session.timeout.ms")
    session = "consumer.session.timeout.ms"
    for key, value in ((session, "1"), ("no.such.key", "1"), (session, "x")):
        yield _request(_resource(GROUP, group, (key, SET, value)))
    yield _request(_resource(GROUP, "", ("consumer.session.timeout.ms", SET, "50000")))


@versions("1")
def every_key_of_a_group_with_odd_values(w):
    for key in sorted(GROUP_CONFIG_KEYS):
        for value in ODD_VALUES:
            yield _request(_resource(GROUP, w.name("g"), (key, SET, value)), validate_only=True)


@versions("1")
def keys_of_a_broker_with_odd_values(w):
    """All that can change while it runs, but what a broker needs Java, SASL or other listeners for."""
    for key in sorted(key.name for key in BROKER_KEYS.values() if key.is_dynamic):
        for value in () if key in _ASK_FOR_MORE else (*ODD_VALUES, "50"):
            yield _request(_resource(BROKER, "", (key, SET, value)), validate_only=True)


def a_subscription_to_metrics(w):
    name = w.name("m")
    yield _request(_resource(METRICS, name, ("interval.ms", SET, "1000"), ("metrics", SET, "a,b")))
    w.settle()
    yield _now(METRICS, name, "interval.ms", "metrics", "match")
    for key, value in (("interval.ms", "1"), ("match", "x"), ("no.such.key", "1"), ("match", "client_id=a.*")):
        yield _request(_resource(METRICS, name, (key, SET, value)))
    yield _request(_resource(METRICS, "", ("interval.ms", SET, "1000")))


def brokers_that_are_not_here(w):
    for name in ("7", "x", "-1"):
        yield _request(_resource(BROKER, name, ("log.retention.ms", SET, "100000")))


def what_a_broker_cannot_change(w):
    for key, value in (("node.id", "2"), ("log.dirs", "/x"), ("log.retention.ms", "soon"), ("no.such.key", "1")):
        yield _request(_resource(BROKER, "1", (key, SET, value)), validate_only=True)
        yield _request(_resource(BROKER, "", (key, SET, value)), validate_only=True)


@alone
def a_key_that_no_broker_knows(w):
    for name in ("1", ""):
        yield _request(_resource(BROKER, name, ("no.such.key", SET, "a")))
        w.settle()
        yield _now(BROKER, name, "no.such.key")
        yield _request(_resource(BROKER, name, ("no.such.key", APPEND, "b")))
        yield _request(_resource(BROKER, name, ("no.such.key", DELETE, None)))
        w.settle()
        yield _now(BROKER, name, "no.such.key")


@alone
def the_least_of_replicas_in_sync(w):
    for name in ("1", ""):
        for how, value in ((SET, "2"), (SET, "1"), (SET, "0"), (DELETE, None)):
            yield _request(_resource(BROKER, name, ("min.insync.replicas", how, value)))
            w.settle()
            yield _now(BROKER, name, "min.insync.replicas")


@alone
def this_broker(w):
    yield _request(_resource(BROKER, "1", ("log.retention.ms", SET, "700000000")))
    w.settle()
    yield _now(BROKER, "1", "log.retention.ms")
    yield _request(_resource(BROKER, "", ("log.retention.ms", SET, "800000000")))
    w.settle()
    yield _now(BROKER, "1", "log.retention.ms")
    yield _now(BROKER, "", "log.retention.ms")
    yield _now(TOPIC, w.topic().name, "retention.ms")
    yield _request(_resource(BROKER, "1", ("log.retention.ms", DELETE, None)))
    yield _request(_resource(BROKER, "", ("log.retention.ms", DELETE, None)))
    w.settle()
    yield _now(BROKER, "1", "log.retention.ms")
