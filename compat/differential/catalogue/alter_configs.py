"""AlterConfigs."""

from __future__ import annotations

from ottla.protocol.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from ottla.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource

from ..case import alone

API = AlterConfigsRequest
TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32


def _resource(kind, name, *configs):
    wanted = [AlterableConfig(name=key, value=value) for key, value in configs]
    return AlterConfigsResource(resource_type=kind, resource_name=name, configs=wanted)


def _request(*resources, **said):
    return AlterConfigsRequest(resources=list(resources), **said)


def _now(kind, name, *keys):
    wanted = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=list(keys))
    return DescribeConfigsRequest(resources=[wanted])


def all_is_replaced(w):
    topic = w.topic(retention_ms="1000", max_message_bytes="3000")
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", "2000")))
    w.settle()
    yield _now(TOPIC, topic.name, "retention.ms", "max.message.bytes")


def all_is_taken_back(w):
    topic = w.topic(retention_ms="1000")
    yield _request(_resource(TOPIC, topic.name))
    w.settle()
    yield _now(TOPIC, topic.name, "retention.ms")


def what_is_not_valid(w):
    topic = w.topic()
    for key, value in (("retention.ms", "soon"), ("retention.ms", None), ("no.such.key", "1"), ("", "1")):
        yield _request(_resource(TOPIC, topic.name, (key, value)))


def only_validated(w):
    topic = w.topic()
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", "1")), validate_only=True)
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", "x")), validate_only=True)
    w.settle()
    yield _now(TOPIC, topic.name, "retention.ms")


def what_is_not_there(w):
    yield _request(_resource(TOPIC, w.name("none"), ("retention.ms", "1")))
    yield _request(_resource(TOPIC, "", ("retention.ms", "1")))


def names_that_are_not_valid(w):
    for name in ("a b", ".", "x" * 250):
        yield _request(_resource(TOPIC, name, ("retention.ms", "1")))


def the_same_key_twice(w):
    topic = w.topic()
    yield _request(_resource(TOPIC, topic.name, ("retention.ms", "1"), ("retention.ms", "2")))


def types_that_are_not_there(w):
    for kind in (0, 1, 3, 64, -1):
        yield _request(_resource(kind, "x", ("retention.ms", "1")))


def brokers_that_are_not_here(w):
    for name in ("7", "x"):
        yield _request(_resource(BROKER, name, ("log.retention.ms", "100000")))


def nothing(w):
    yield _request()


@alone
def brokers(w):
    for name in ("1", ""):
        yield _request(_resource(BROKER, name, ("log.retention.ms", "700000000")))
        w.settle()
        yield _now(BROKER, name, "log.retention.ms", "min.insync.replicas")
        yield _request(_resource(BROKER, name, ("min.insync.replicas", "1")))
        w.settle()
        yield _now(BROKER, name, "log.retention.ms", "min.insync.replicas")
        yield _request(_resource(BROKER, name))
        w.settle()
        yield _now(BROKER, name, "log.retention.ms", "min.insync.replicas")
