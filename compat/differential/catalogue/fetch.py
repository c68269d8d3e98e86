"""Fetch."""

from __future__ import annotations

from ottla.protocol.compression import Compression
from ottla.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from ottla.protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchTopic,
    ForgottenTopic,
    ReplicaState,
)

from ..case import Answer, At, On, Parked, RawBody, versions
from ..world import UNKNOWN_ID, Topic, batch, produce_request

API = FetchRequest
_MB = 1 << 20


def _part(index=0, offset=0, max_bytes=_MB, **said):
    return FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=max_bytes, **said)


def _of(topic, *partitions):
    return FetchTopic(topic=topic.name, topic_id=topic.id, partitions=list(partitions) or [_part()])


def _request(*topics, wait_ms=0, min_bytes=0, max_bytes=50 * _MB, **said):
    return FetchRequest(max_wait_ms=wait_ms, min_bytes=min_bytes, max_bytes=max_bytes, topics=list(topics), **said)


def _filled(w, count=3, **configs):
    topic = w.topic(**configs)
    for number in range(count):
        w.produce(topic, b"a%d" % number, b"b%d" % number)
    return topic


def from_the_beginning(w):
    yield _request(_of(_filled(w)))


def from_every_offset(w):
    topic = _filled(w)
    for offset in range(7):
        yield _request(_of(topic, _part(offset=offset)))


def beyond_the_log(w):
    topic = _filled(w)
    for offset in (7, 100, -1, -2, 2**62):
        yield _request(_of(topic, _part(offset=offset)))


def below_the_log(w):
    topic = _filled(w)
    w.ask(
        DeleteRecordsRequest(
            topics=[
                DeleteRecordsTopic(name=topic.name, partitions=[DeleteRecordsPartition(partition_index=0, offset=3)])
            ],
            timeout_ms=30_000,
        )
    )
    for offset in (0, 2, 3):
        yield _request(_of(topic, _part(offset=offset)))


def an_empty_log(w):
    yield _request(_of(w.topic()))


def no_topics(w):
    yield _request()


def no_partitions(w):
    yield _request(FetchTopic(topic=w.name("t"), topic_id=w.topic().id, partitions=[]))


def an_unknown_topic(w):
    yield _request(_of(Topic(w.name("none"), UNKNOWN_ID)))


def known_and_unknown(w):
    yield _request(_of(_filled(w), _part(), _part(9), _part(-1)), _of(Topic(w.name("none"), UNKNOWN_ID)))


@versions("13+")
def a_topic_without_an_id(w):
    yield _request(_of(Topic("", bytes(16))))


def several_topics(w):
    first, second = w.topic("a", 2), w.topic("b")
    w.produce(first, b"1")
    w.produce(first, b"2", partition=1)
    w.produce(second, b"3")
    yield _request(_of(first, _part(1), _part(0)), _of(second))


def the_same_partition_twice(w):
    topic = _filled(w)
    yield _request(_of(topic, _part(0, 0), _part(0, 4)))


def the_same_topic_twice(w):
    topic = _filled(w)
    yield _request(_of(topic, _part(0, 0)), _of(topic, _part(0, 4)))


def one_batch_however_large(w):
    topic = w.topic()
    w.produce(topic, b"x" * 1000)
    w.produce(topic, b"y" * 1000)
    for most in (0, 1, 100, 1067, 1068, 1069, 2200):
        yield _request(_of(topic, _part(max_bytes=most)))


def no_more_than_the_request_takes(w):
    topic = w.topic(partitions=3)
    for index in range(3):
        w.produce(topic, b"x" * 1000, partition=index)
        w.produce(topic, b"y" * 1000, partition=index)
    for most in (0, 1, 1500, 3000, 5000):
        yield _request(_of(topic, _part(0), _part(1), _part(2)), max_bytes=most)


def negative_limits(w):
    topic = _filled(w)
    yield _request(_of(topic, _part(max_bytes=-1)))
    yield _request(_of(topic), max_bytes=-1)
    yield _request(_of(topic), min_bytes=-1)
    yield _request(_of(topic), wait_ms=-1, min_bytes=1 << 30)


def a_wait_that_nothing_ends(w):
    yield _request(_of(w.topic()), wait_ms=100, min_bytes=1)


def a_wait_that_an_append_ends(w):
    topic = w.topic()
    yield Parked("waiting", _request(_of(topic), wait_ms=60_000, min_bytes=1))
    yield produce_request(topic, batch(b"one"))
    yield Answer("waiting")


def enough_from_two_partitions(w):
    topic = w.topic(partitions=2)
    w.produce(topic, b"x" * 100)
    parked = _request(_of(topic, _part(0), _part(1)), wait_ms=60_000, min_bytes=250)
    yield Parked("waiting", parked)
    yield produce_request(topic, batch(b"x" * 100), partition=1)
    yield Answer("waiting")


def an_unknown_partition_does_not_end_the_wait(w):
    topic = w.topic()
    yield _request(_of(topic, _part(), _part(5)), wait_ms=100, min_bytes=1)


def an_offset_beyond_the_log_ends_the_wait(w):
    topic = w.topic()
    yield _request(_of(topic, _part(offset=9)), wait_ms=60_000, min_bytes=1)


def only_what_is_committed(w):
    yield _request(_of(_filled(w)), isolation_level=1)


def an_isolation_level_that_is_not_there(w):
    yield _request(_of(_filled(w)), isolation_level=2)


@versions("9+")
def leader_epochs(w):
    topic = _filled(w)
    for epoch in (0, 1, 7, -1, -2):
        yield _request(_of(topic, _part(current_leader_epoch=epoch)))


@versions("12+")
def epochs_that_were_fetched_last(w):
    topic = _filled(w)
    for offset, epoch in ((2, 0), (6, 0), (2, 1), (9, 0), (0, 0), (2, -1), (2, -2)):
        yield _request(_of(topic, _part(offset=offset, last_fetched_epoch=epoch)))


@versions("5+")
def a_log_start_that_is_told(w):
    yield _request(_of(_filled(w), _part(log_start_offset=3)))


@versions("11+")
def from_a_rack(w):
    yield _request(_of(_filled(w)), rack_id="r1")


@versions("4-14")
def as_a_replica(w):
    topic = _filled(w)
    for replica in (0, 1, 2, -2):
        yield _request(_of(topic), replica_id=replica)


@versions("15+")
def as_a_replica_with_an_epoch(w):
    topic = _filled(w)
    yield _request(_of(topic), replica_state=ReplicaState(replica_id=2, replica_epoch=1))
    yield _request(_of(topic), replica_state=ReplicaState(replica_id=-1, replica_epoch=-1))


def compressed_batches(w):
    topic = w.topic()
    for codec in (Compression.GZIP, Compression.SNAPPY, Compression.LZ4):
        w.produce(topic, b"x" * 50, b"y" * 50, compression=codec)
    yield _request(_of(topic, _part(offset=1)))


def compressed_with_zstd(w):
    topic = w.topic()
    w.produce(topic, b"x" * 50, compression=Compression.ZSTD)
    yield _request(_of(topic))


def a_topic_that_compresses_with_zstd(w):
    topic = w.topic(compression_type="zstd")
    yield _request(_of(topic))


# Sessions


@versions("7+")
def a_session(w):
    topic = w.topic(partitions=2)
    w.produce(topic, b"one")
    opened = yield _request(_of(topic, _part(0), _part(1)), session_epoch=0)
    session = {"session_id": opened.session_id}
    yield _request(session_epoch=1, **session)
    yield _request(_of(topic, _part(0, 1)), session_epoch=2, **session)
    yield _request(session_epoch=3, **session)
    yield produce_request(topic, batch(b"two"), partition=1)
    yield _request(session_epoch=4, **session)
    yield _request(_of(topic, _part(1, 1)), session_epoch=5, **session)
    forgotten = [ForgottenTopic(topic=topic.name, topic_id=topic.id, partitions=[0])]
    yield _request(forgotten_topics_data=forgotten, session_epoch=6, **session)
    yield produce_request(topic, batch(b"three"))
    yield _request(session_epoch=7, **session)
    yield _request(session_epoch=-1, **session)
    yield _request(session_epoch=8, **session)


@versions("7+")
def epochs_of_a_session_that_are_wrong(w):
    topic = _filled(w)
    opened = yield _request(_of(topic), session_epoch=0)
    yield _request(session_epoch=5, session_id=opened.session_id)
    yield _request(session_epoch=1, session_id=opened.session_id)
    yield _request(session_epoch=1, session_id=opened.session_id)
    yield _request(session_epoch=-5, session_id=opened.session_id)


@versions("7+")
def a_session_that_nobody_opened(w):
    yield _request(_of(_filled(w)), session_id=77, session_epoch=1)
    yield _request(session_id=77, session_epoch=0)
    yield _request(session_id=77, session_epoch=-1)
    yield _request(session_id=0, session_epoch=5)


@versions("7+")
def a_session_with_what_is_not_there(w):
    topic = _filled(w)
    opened = yield _request(_of(topic, _part(), _part(9)), session_epoch=0)
    yield _request(session_epoch=1, session_id=opened.session_id)
    yield _request(_of(Topic(w.name("none"), UNKNOWN_ID)), session_epoch=2, session_id=opened.session_id)
    yield _request(session_epoch=3, session_id=opened.session_id)


@versions("7+")
def a_session_on_another_connection(w):
    topic = _filled(w)
    opened = yield _request(_of(topic), session_epoch=0)
    yield On("other", _request(_of(topic, _part(offset=2)), session_epoch=1, session_id=opened.session_id))


@versions("7+")
def a_session_without_partitions(w):
    opened = yield _request(session_epoch=0)
    yield _request(session_epoch=1, session_id=opened.session_id)


@versions("7+")
def a_session_whose_topic_is_deleted(w):
    topic = _filled(w)
    opened = yield _request(_of(topic), session_epoch=0)
    w.delete(topic)
    yield _request(session_epoch=1, session_id=opened.session_id)
    yield _request(session_epoch=2, session_id=opened.session_id)


@versions("7+")
def a_session_that_goes_over_to_ids_or_back(w):
    topic = _filled(w)
    other = 12 if w.version > 12 else 13
    opened = yield At(_request(_of(topic), session_epoch=0), other)
    yield _request(_of(topic), session_epoch=1, session_id=opened.session_id)
    yield At(_request(session_epoch=1, session_id=opened.session_id), other)


@versions("13+")
def a_session_whose_topic_is_made_anew(w):
    topic = _filled(w)
    opened = yield _request(_of(topic), session_epoch=0)
    w.delete(topic)
    anew = w.topic()
    w.produce(anew, b"x")
    yield _request(session_epoch=1, session_id=opened.session_id)
    yield _request(_of(anew), session_epoch=2, session_id=opened.session_id)
    yield _request(session_epoch=3, session_id=opened.session_id)


@versions("7+")
def forgetting_what_was_not_there(w):
    topic = _filled(w)
    opened = yield _request(_of(topic), session_epoch=0)
    forgotten = [ForgottenTopic(topic=topic.name, topic_id=topic.id, partitions=[5])]
    yield _request(forgotten_topics_data=forgotten, session_epoch=1, session_id=opened.session_id)
    yield _request(session_epoch=2, session_id=opened.session_id)


def a_torn_body(w):
    yield RawBody(FetchRequest, w.version, b"\xff\xff\xff\xff\x00")
