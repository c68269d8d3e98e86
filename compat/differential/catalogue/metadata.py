"""Metadata."""

from __future__ import annotations

from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from ..case import versions
from ..world import UNKNOWN_ID

API = MetadataRequest


def _of(*names, **said):
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names], **said)


def one_topic(w):
    yield _of(w.topic(partitions=3).name)


def several_topics(w):
    yield _of(w.topic("a").name, w.topic("b", 2).name)


@versions("1+")
def all_topics(w):
    w.topic()
    yield MetadataRequest(topics=None)


def an_empty_list(w):
    w.topic()
    yield _of()


def the_same_topic_twice(w):
    name = w.topic().name
    yield _of(name, name)


@versions("4+")
def an_unknown_topic(w):
    yield _of(w.name("none"), allow_auto_topic_creation=False)


@versions("4+")
def known_and_unknown(w):
    yield _of(w.topic().name, w.name("none"), allow_auto_topic_creation=False)


@versions("4+")
def names_that_are_not_valid(w):
    yield _of("", "a b", "..", "x" * 250, allow_auto_topic_creation=False)


def names_that_cannot_be_made(w):
    yield _of("", "a b", "..", "x" * 250)


@versions("4+")
def an_internal_topic(w):
    yield _of("__consumer_offsets", "__transaction_state", allow_auto_topic_creation=False)


@versions("8+")
def with_authorized_operations(w):
    yield _of(w.topic().name, include_topic_authorized_operations=True)


@versions("8-10")
def with_authorized_operations_of_the_cluster(w):
    yield _of(w.topic().name, include_cluster_authorized_operations=True)


@versions("10+")
def a_topic_by_its_id(w):
    topic = w.topic(partitions=2)
    yield MetadataRequest(topics=[MetadataRequestTopic(topic_id=topic.id, name=None)])


@versions("10+")
def a_topic_by_name_and_id(w):
    topic = w.topic()
    yield MetadataRequest(topics=[MetadataRequestTopic(topic_id=topic.id, name=topic.name)])


@versions("10+")
def an_unknown_id(w):
    yield MetadataRequest(topics=[MetadataRequestTopic(topic_id=UNKNOWN_ID, name=None)])


@versions("10+")
def neither_name_nor_id(w):
    yield MetadataRequest(topics=[MetadataRequestTopic(name=None)])


@versions("10+")
def one_by_name_and_one_by_id(w):
    first, second = w.topic("a"), w.topic("b")
    yield MetadataRequest(
        topics=[MetadataRequestTopic(name=first.name), MetadataRequestTopic(topic_id=second.id, name=None)]
    )


@versions("4+")
def after_a_topic_was_made_and_deleted(w):
    topic = CreatableTopic(name=w.name("t"), num_partitions=2, replication_factor=1)
    yield CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
    w.await_leaders(w.name("t"), 2)
    yield _of(w.name("t"), allow_auto_topic_creation=False)
    yield DeleteTopicsRequest(topics=[DeleteTopicState(name=w.name("t"))], timeout_ms=30_000)
    w.settle()
    yield _of(w.name("t"), allow_auto_topic_creation=False)
