"""DeleteTopics."""

from __future__ import annotations

from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from ..case import RawBody, versions
from ..world import UNKNOWN_ID

API = DeleteTopicsRequest


def _by_name(w, *names):
    if w.version >= 6:
        return DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in names], timeout_ms=30_000)
    return DeleteTopicsRequest(topic_names=list(names), timeout_ms=30_000)


def one_topic(w):
    topic = w.topic(partitions=2)
    yield _by_name(w, topic.name)
    w.settle()
    wanted = [MetadataRequestTopic(name=topic.name)]
    yield MetadataRequest(topics=wanted, allow_auto_topic_creation=False)
    yield _by_name(w, topic.name)


def several_topics(w):
    yield _by_name(w, w.topic("a").name, w.topic("b").name)


def no_topics(w):
    yield _by_name(w)


def an_unknown_topic(w):
    yield _by_name(w, w.name("none"))


def known_and_unknown(w):
    yield _by_name(w, w.name("none"), w.topic().name)


def the_same_topic_twice(w):
    topic = w.topic()
    yield _by_name(w, topic.name, topic.name)
    yield _by_name(w, topic.name)


def an_unknown_topic_twice(w):
    yield _by_name(w, w.name("none"), w.name("none"))


def names_that_are_not_valid(w):
    yield _by_name(w, "", "a b", "..", "x" * 250)


@versions("6+")
def by_its_id(w):
    topic = w.topic()
    yield DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=topic.id)], timeout_ms=30_000)
    yield DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=topic.id)], timeout_ms=30_000)


@versions("6+")
def by_an_unknown_id(w):
    yield DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=UNKNOWN_ID)], timeout_ms=30_000)


@versions("6+")
def by_name_and_id(w):
    topic = w.topic()
    yield DeleteTopicsRequest(topics=[DeleteTopicState(name=topic.name, topic_id=topic.id)], timeout_ms=30_000)


@versions("6+")
def by_neither(w):
    yield DeleteTopicsRequest(topics=[DeleteTopicState()], timeout_ms=30_000)


@versions("6+")
def the_same_topic_by_name_and_by_id(w):
    topic = w.topic()
    wanted = [DeleteTopicState(name=topic.name), DeleteTopicState(topic_id=topic.id)]
    yield DeleteTopicsRequest(topics=wanted, timeout_ms=30_000)


@versions("6+")
def the_same_id_twice(w):
    topic = w.topic()
    wanted = [DeleteTopicState(topic_id=topic.id), DeleteTopicState(topic_id=topic.id)]
    yield DeleteTopicsRequest(topics=wanted, timeout_ms=30_000)


def a_torn_body(w):
    yield RawBody(DeleteTopicsRequest, w.version, b"\x00")
