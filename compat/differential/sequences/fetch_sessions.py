"""Producers and readers side by side, over many steps."""

from __future__ import annotations

from ottla.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from ottla.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic

from ..case import Answer, On, Parked
from ..world import batch, produce_request

_MB = 1 << 20


def _fetch(*wanted, session=0, epoch=-1, wait_ms=0, min_bytes=0, forgotten=(), **said):
    """A Fetch of (topic, partition, offset) triples."""
    topics = [
        FetchTopic(
            topic=topic.name,
            topic_id=topic.id,
            partitions=[FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=_MB)],
        )
        for topic, index, offset in wanted
    ]
    return FetchRequest(
        max_wait_ms=wait_ms,
        min_bytes=min_bytes,
        max_bytes=_MB,
        session_id=session,
        session_epoch=epoch,
        topics=topics,
        forgotten_topics_data=[
            ForgottenTopic(topic=topic.name, topic_id=topic.id, partitions=[index]) for topic, index in forgotten
        ],
        **said,
    )


def a_reader_that_follows_a_producer(w):
    topic = w.topic()
    opened = yield _fetch((topic, 0, 0), epoch=0)
    session = opened.session_id
    for step in range(1, 6):
        yield produce_request(topic, batch(b"%d" % step, b"more"))
        yield _fetch(session=session, epoch=2 * step - 1)
        yield _fetch((topic, 0, 2 * step), session=session, epoch=2 * step)


def a_session_over_many_topics(w):
    topics = [w.topic(f"t{number}") for number in range(5)]
    opened = yield _fetch(*((topic, 0, 0) for topic in topics), epoch=0)
    session = opened.session_id
    yield produce_request(topics[3], batch(b"x"))
    yield produce_request(topics[1], batch(b"y"))
    yield _fetch(session=session, epoch=1)
    yield _fetch((topics[3], 0, 1), session=session, epoch=2, forgotten=[(topics[1], 0)])
    yield produce_request(topics[1], batch(b"z"))
    yield _fetch(session=session, epoch=3)
    yield _fetch((topics[1], 0, 0), session=session, epoch=4)
    yield _fetch((topics[0], 0, 99), session=session, epoch=5)
    yield _fetch(session=session, epoch=6)
    yield _fetch((topics[0], 0, 0), session=session, epoch=0)
    yield _fetch(session=session, epoch=7)


def a_log_that_loses_its_beginning(w):
    topic = w.topic()
    opened = yield _fetch((topic, 0, 0), epoch=0)
    session = opened.session_id
    yield produce_request(topic, batch(b"1", b"2", b"3"))
    yield _fetch(session=session, epoch=1)
    wanted = DeleteRecordsPartition(partition_index=0, offset=2)
    yield DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic.name, partitions=[wanted])], timeout_ms=30_000)
    yield _fetch(session=session, epoch=2)
    yield _fetch((topic, 0, 2), session=session, epoch=3)
    yield _fetch(session=session, epoch=4)


def partitions_that_are_added(w):
    topic = w.topic()
    opened = yield _fetch((topic, 0, 0), (topic, 1, 0), epoch=0)
    session = opened.session_id
    grown = CreatePartitionsTopic(name=topic.name, count=2, assignments=None)
    yield CreatePartitionsRequest(topics=[grown], timeout_ms=30_000)
    w.await_leaders(topic.name, 2)
    yield produce_request(topic, batch(b"x"), partition=1)
    yield _fetch(session=session, epoch=1)


def several_readers_that_wait(w):
    topic = w.topic()
    for reader in ("a", "b", "c"):
        yield Parked(reader, _fetch((topic, 0, 0), wait_ms=60_000, min_bytes=1))
    yield Parked("patient", _fetch((topic, 0, 0), wait_ms=60_000, min_bytes=150))
    yield produce_request(topic, batch(b"x"))
    for reader in ("a", "b", "c"):
        yield Answer(reader)
    yield produce_request(topic, batch(b"y" * 100))
    yield Answer("patient")


def two_sessions_on_one_topic(w):
    topic = w.topic()
    first = yield On("a", _fetch((topic, 0, 0), epoch=0))
    second = yield On("b", _fetch((topic, 0, 0), epoch=0))
    yield produce_request(topic, batch(b"x"))
    yield On("a", _fetch(session=first.session_id, epoch=1))
    yield On("a", _fetch((topic, 0, 1), session=first.session_id, epoch=2))
    yield On("b", _fetch(session=second.session_id, epoch=1))
    yield On("b", _fetch(session=second.session_id, epoch=1))
    yield On("a", _fetch(session=first.session_id, epoch=3))
