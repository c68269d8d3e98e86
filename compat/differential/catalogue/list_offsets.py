"""ListOffsets."""

from __future__ import annotations

from ottla.protocol.compression import Compression
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from ottla.protocol.records import Record, build_batch

from ..case import RawBody, versions
from ..world import Topic, produce_request

API = ListOffsetsRequest
_T = 1_700_000_000_000
"""A time long ago, which is not normalised."""


def _request(*partitions, replica_id=-1, **said):
    topics: dict[str, list] = {}
    for name, index, timestamp, *epoch in partitions:
        asked = ListOffsetsPartition(partition_index=index, timestamp=timestamp)
        if epoch:
            asked.current_leader_epoch = epoch[0]
        topics.setdefault(name, []).append(asked)
    wanted = [ListOffsetsTopic(name=name, partitions=asked) for name, asked in topics.items()]
    return ListOffsetsRequest(replica_id=replica_id, topics=wanted, **said)


def _filled(w, **said) -> Topic:
    topic = w.topic()
    for number in range(3):
        base = _T + 100 * number
        records = [Record(index, base + 10 * index, None, b"x") for index in range(3)]
        w.ask(produce_request(topic, build_batch(records, base_offset=0, **said)))
    return topic


def the_ends(w):
    topic = _filled(w)
    for timestamp in (-1, -2):
        yield _request((topic.name, 0, timestamp))


def an_empty_log(w):
    topic = w.topic()
    for timestamp in (-1, -2, 0, _T):
        yield _request((topic.name, 0, timestamp))


def by_time(w):
    topic = _filled(w)
    for after in (-1, 0, 1, 10, 15, 20, 21, 100, 119, 220, 221, 10_000):
        yield _request((topic.name, 0, _T + after))
    yield _request((topic.name, 0, 0))


def by_time_in_compressed_batches(w):
    topic = _filled(w, compression=Compression.GZIP)
    for after in (0, 10, 15, 105, 220, 221):
        yield _request((topic.name, 0, _T + after))


def by_time_out_of_order(w):
    topic = w.topic()
    times = [_T + 50, _T + 10, _T + 30]
    records = [Record(index, at, None, b"x") for index, at in enumerate(times)]
    w.ask(produce_request(topic, build_batch(records, base_offset=0)))
    for after in (0, 10, 20, 40, 50, 51):
        yield _request((topic.name, 0, _T + after))


@versions("7+")
def the_latest_time(w):
    topic = _filled(w)
    yield _request((topic.name, 0, -3))


@versions("7+")
def the_latest_time_out_of_order(w):
    topic = w.topic()
    for at in (_T + 50, _T + 10, _T + 50):
        w.ask(produce_request(topic, build_batch([Record(0, at, None, b"x")], base_offset=0)))
    yield _request((topic.name, 0, -3))


@versions("7+")
def the_latest_time_inside_a_compressed_batch(w):
    topic = w.topic()
    records = [Record(index, _T + at, None, b"x") for index, at in enumerate((5, 9, 7))]
    w.ask(produce_request(topic, build_batch(records, base_offset=0, compression=Compression.GZIP)))
    yield _request((topic.name, 0, -3))


@versions("7+")
def the_latest_time_of_an_empty_log(w):
    yield _request((w.topic().name, 0, -3))


def every_negative_time(w):
    topic = _filled(w)
    for timestamp in (-3, -4, -5, -6, -7, -100):
        yield _request((topic.name, 0, timestamp))


def what_is_not_there(w):
    topic = _filled(w)
    yield _request((topic.name, 7, -1), (topic.name, 0, -1), (topic.name, -1, -1), (w.name("none"), 0, -1))


def the_same_partition_twice(w):
    topic = _filled(w)
    yield _request((topic.name, 0, -1), (topic.name, 0, -2))


def nothing(w):
    yield _request()


@versions("2+")
def only_what_is_committed(w):
    topic = _filled(w)
    for timestamp in (-1, -2, _T + 15):
        yield _request((topic.name, 0, timestamp), isolation_level=1)


@versions("2+")
def an_isolation_level_that_is_not_there(w):
    yield _request((_filled(w).name, 0, -1), isolation_level=9)


@versions("4+")
def leader_epochs(w):
    topic = _filled(w)
    for epoch in (0, 1, -1, -2):
        yield _request((topic.name, 0, -1, epoch))


def as_a_replica(w):
    topic = _filled(w)
    for replica in (1, 2, -2):
        yield _request((topic.name, 0, -1), replica_id=replica)


def a_torn_body(w):
    yield RawBody(ListOffsetsRequest, w.version, b"\xff\xff\xff")
