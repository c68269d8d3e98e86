"""DeleteTopics against a real metadata log; codes and sentences were asked of Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import delete_topics
from ottla.broker.metadata.image import ResourceType
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState

from ..metadata_broker import MetadataBroker

ZERO = bytes(16)
UNKNOWN = "This server does not host this topic-partition."


@pytest.fixture
def broker(tmp_path):
    return MetadataBroker(tmp_path)


def ask(broker, version=6, **fields):
    request = DeleteTopicsRequest(timeout_ms=1000, **fields)
    request = decode(DeleteTopicsRequest, encode(request, version), version)
    response = broker.call(delete_topics, request, version)
    return decode(DeleteTopicsResponse, encode(response, version), version).responses


def told(results):
    return {
        (result.name, result.topic_id): (ErrorCode(result.error_code).name, result.error_message) for result in results
    }


def by_id(topic):
    return DeleteTopicState(name=None, topic_id=topic.topic_id)


@pytest.mark.parametrize("version", range(1, 6))
def test_by_name_in_every_version_that_has_only_names(broker, version):
    broker.create("a")
    broker.create("b")
    results = ask(broker, version, topic_names=["a", "nope"])
    assert {result.name: result.error_code for result in results} == {
        "a": 0,
        "nope": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
    assert list(broker.metadata.image.topics_by_name) == ["b"]
    assert broker.heard.lines[-1] == "deleted a 1"


def test_by_name_and_by_id(broker):
    a, b = broker.create("a"), broker.create("b")
    results = ask(broker, topics=[DeleteTopicState(name="a"), by_id(b)])
    assert told(results) == {("a", a.topic_id): ("NONE", None), ("b", b.topic_id): ("NONE", None)}
    assert not broker.metadata.image.topics_by_name


def test_what_is_not_there_is_said_by_name_and_by_id(broker):
    results = ask(broker, topics=[DeleteTopicState(name="q"), DeleteTopicState(name=None, topic_id=b"x" * 16)])
    assert told(results) == {
        ("q", ZERO): ("UNKNOWN_TOPIC_OR_PARTITION", UNKNOWN),
        (None, b"x" * 16): ("UNKNOWN_TOPIC_ID", "This server does not host this topic ID."),
    }


def test_both_and_neither_are_refused(broker):
    a = broker.create("a")
    both, neither = DeleteTopicState(name="a", topic_id=a.topic_id), DeleteTopicState(name=None)
    assert told(ask(broker, topics=[both, neither])) == {
        ("a", a.topic_id): ("INVALID_REQUEST", "You may not specify both topic name and topic id."),
        (None, ZERO): ("INVALID_REQUEST", "Neither topic name nor id were specified."),
    }


def test_what_is_named_twice_stays(broker):
    a, b, c = broker.create("a"), broker.create("b"), broker.create("c")
    twice = [DeleteTopicState(name="a")] * 2 + [by_id(b)] * 2 + [by_id(c), DeleteTopicState(name="c")]
    assert told(ask(broker, topics=twice)) == {
        ("a", ZERO): ("INVALID_REQUEST", "Duplicate topic name."),
        (None, b.topic_id): ("INVALID_REQUEST", "Duplicate topic id."),
        ("c", c.topic_id): ("INVALID_REQUEST", "The provided topic name maps to an ID that was already supplied."),
    }
    assert broker.metadata.image.topics_by_id.keys() == {a.topic_id, b.topic_id, c.topic_id}


@pytest.mark.parametrize(("version", "code"), [(1, "INVALID_REQUEST"), (6, "TOPIC_DELETION_DISABLED")])
def test_deletion_may_be_disabled(tmp_path, version, code):
    broker = MetadataBroker(tmp_path, ["delete.topic.enable=false"])
    broker.create("a")
    asked = {"topic_names": ["a"]} if version < 6 else {"topics": [DeleteTopicState(name="a")]}
    [result] = ask(broker, version, **asked)
    assert ErrorCode(result.error_code).name == code
    assert "a" in broker.metadata.image.topics_by_name


def test_a_full_disk_keeps_the_topic(broker):
    broker.create("a")
    broker.disk.full = True
    [result] = ask(broker, topics=[DeleteTopicState(name="a")])
    assert result.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert "a" in broker.metadata.image.topics_by_name


def test_a_deleted_topic_stays_deleted(broker):
    broker.create("a", retention_ms="5")
    ask(broker, topics=[DeleteTopicState(name="a")])
    broker.crash()
    assert not broker.metadata.image.topics_by_name
    assert not broker.metadata.image.configs_of(ResourceType.TOPIC, "a")
