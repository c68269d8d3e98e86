"""DescribeConfigs."""

from __future__ import annotations

from ottla.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource

from ..case import versions

API = DescribeConfigsRequest
TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32


def _request(*resources, **said):
    wanted = [
        DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
        for kind, name, keys in resources
    ]
    return DescribeConfigsRequest(resources=wanted, **said)


def a_topic(w):
    topic = w.topic(retention_ms="1000", cleanup_policy="compact,delete")
    yield _request((TOPIC, topic.name, None))


def a_topic_with_synonyms(w):
    topic = w.topic(retention_ms="1000", max_message_bytes=" 2000 ")
    yield _request((TOPIC, topic.name, None), include_synonyms=True)


@versions("3+")
def a_topic_with_documentation(w):
    yield _request((TOPIC, w.topic().name, ["retention.ms"]), include_documentation=True)


def some_keys(w):
    topic = w.topic()
    yield _request((TOPIC, topic.name, ["retention.ms", "no.such.key", "cleanup.policy"]))
    yield _request((TOPIC, topic.name, []))
    yield _request((TOPIC, topic.name, ["retention.ms", "retention.ms"]))


def what_is_not_there(w):
    yield _request((TOPIC, w.name("none"), None), (TOPIC, w.topic().name, ["retention.ms"]))


def names_that_are_not_valid(w):
    yield _request((TOPIC, "", None), (TOPIC, "a b", None))


def brokers_that_are_not_here(w):
    yield _request((BROKER, "7", None))
    yield _request((BROKER, "x", None))
    yield _request((BROKER, "-1", None))


def defaults_of_all_brokers(w):
    yield _request((BROKER, "", None), include_synonyms=True)


def this_broker(w):
    yield _request((BROKER, "1", None), include_synonyms=True)


@versions("3+")
def this_broker_with_documentation(w):
    yield _request((BROKER, "1", ["log.retention.ms", "num.partitions"]), include_documentation=True)


def loggers(w):
    yield _request((LOGGER, "7", []))


def types_that_are_not_there(w):
    for kind in (0, 1, 3, 64, -1):
        yield _request((kind, "x", None))


def a_group(w):
    yield _request((GROUP, w.name("g"), None), include_synonyms=True)
    yield _request((GROUP, "", None))


def a_subscription_to_metrics(w):
    yield _request((METRICS, w.name("m"), None), include_synonyms=True)
    yield _request((METRICS, "", None))


def the_same_resource_twice(w):
    topic = w.topic()
    yield _request((TOPIC, topic.name, ["retention.ms"]), (TOPIC, topic.name, ["cleanup.policy"]))


def nothing(w):
    yield _request()
