"""Transactions from InitProducerId to what readers see."""

from __future__ import annotations

from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ottla.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from ottla.protocol.messages.describe_transactions import DescribeTransactionsRequest
from ottla.protocol.messages.end_txn import EndTxnRequest
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

from ..case import At
from ..transaction_requests import CLIENTS_VERSION, add
from ..world import Producer, batch, produce_request

_UNCOMMITTED, _COMMITTED = 0, 1
_LAST_OF_VERSION_1 = 4
_LAST_PRODUCE_OF_VERSION_1 = 11


def _init(name):
    return InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=60_000)


def _end(name, producer, committed=True):
    return EndTxnRequest(
        transactional_id=name, producer_id=producer.id, producer_epoch=producer.epoch, committed=committed
    )


def _write(name, topic, producer, sequence, *values, partition=0):
    records = batch(*values, producer=producer, sequence=sequence, is_transactional=True)
    return produce_request(topic, records, partition=partition, transactional_id=name)


def _read(topic, level, offset=0, partition=0):
    wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1 << 20,
        isolation_level=level,
        topics=[FetchTopic(topic=topic.name, topic_id=topic.id, partitions=[wanted])],
    )


def _end_offset(topic, level):
    asked = [ListOffsetsPartition(partition_index=0, timestamp=-1)]
    return ListOffsetsRequest(
        replica_id=-1, isolation_level=level, topics=[ListOffsetsTopic(name=topic.name, partitions=asked)]
    )


def _await_end(w, topic):
    """Wait until no transaction is open: Apache Kafka answers EndTxn before its markers are written."""
    ends = lambda level: w.ask(_end_offset(topic, level)).topics[0].partitions[0].offset  # noqa: E731
    w.until(lambda: ends(_COMMITTED) == ends(_UNCOMMITTED), "the markers are written")


def _await_state(w, name, state):
    request = DescribeTransactionsRequest(transactional_ids=[name])
    w.until(lambda: w.ask(request).transaction_states[0].transaction_state == state, f"the transaction is {state}")


def _producers(topic):
    return DescribeProducersRequest(topics=[TopicRequest(name=topic.name, partition_indexes=[0])])


def committed_and_aborted(w):
    topic, name = w.topic(), w.transactional_id()
    begun = yield _init(name)
    producer = Producer(begun.producer_id, begun.producer_epoch)
    for committed in (True, False, True):
        yield _write(name, topic, producer, 0, b"one", b"two")
        yield _read(topic, _COMMITTED)
        yield _end_offset(topic, _UNCOMMITTED)
        yield _end_offset(topic, _COMMITTED)
        yield DescribeTransactionsRequest(transactional_ids=[name])
        yield _producers(topic)
        ended = yield _end(name, producer, committed)
        _await_end(w, topic)
        yield _read(topic, _COMMITTED)
        producer = Producer(ended.producer_id, ended.producer_epoch)
    yield _read(topic, _UNCOMMITTED)
    yield _producers(topic)


def of_an_older_client(w):
    topic, name = w.topic(partitions=2), w.transactional_id()
    begun = yield At(_init(name), 4)
    producer = Producer(begun.producer_id, begun.producer_epoch)
    for sequence, committed in enumerate((False, True)):
        yield At(add(name, producer, (topic.name, [0])), CLIENTS_VERSION)
        yield At(_write(name, topic, producer, sequence, b"x"), _LAST_PRODUCE_OF_VERSION_1)
        yield At(_write(name, topic, producer, 0, b"x", partition=1), _LAST_PRODUCE_OF_VERSION_1)
        yield _read(topic, _COMMITTED)
        yield At(_end(name, producer, committed), _LAST_OF_VERSION_1)
        _await_end(w, topic)
        yield _read(topic, _COMMITTED)
    _await_state(w, name, "CompleteCommit")
    yield DescribeTransactionsRequest(transactional_ids=[name])


def a_producer_that_is_fenced(w):
    topic, name = w.topic(), w.transactional_id()
    begun = yield _init(name)
    old = Producer(begun.producer_id, begun.producer_epoch)
    yield _write(name, topic, old, 0, b"lost")
    following = yield _init(name)
    new = Producer(following.producer_id, following.producer_epoch)
    _await_end(w, topic)
    yield _write(name, topic, old, 1, b"late")
    yield _end(name, old)
    yield _write(name, topic, new, 0, b"kept")
    yield _end(name, new)
    _await_end(w, topic)
    yield _read(topic, _COMMITTED)


def two_that_overlap(w):
    topic = w.topic()
    names = w.transactional_id("a"), w.transactional_id("b")
    first, second = (w.producer(name) for name in names)
    yield _write(names[0], topic, first, 0, b"a1")
    yield _write(names[1], topic, second, 0, b"b1")
    yield produce_request(topic, batch(b"plain"))
    yield _write(names[0], topic, first, 1, b"a2")
    yield _read(topic, _COMMITTED)
    yield _end(names[1], second, committed=False)
    _await_state(w, names[1], "CompleteAbort")
    yield _read(topic, _COMMITTED)
    yield _end(names[0], first)
    _await_end(w, topic)
    yield _read(topic, _COMMITTED)
    yield _read(topic, _COMMITTED, offset=2)
    yield _read(topic, _UNCOMMITTED, offset=3)


def offsets_of_a_group(w):
    group, name = w.group(), w.transactional_id()
    producer = w.producer(name)
    yield AddOffsetsToTxnRequest(
        transactional_id=name, producer_id=producer.id, producer_epoch=producer.epoch, group_id=group
    )
    yield _end(name, producer, committed=False)
    _await_state(w, name, "CompleteAbort")
    yield DescribeTransactionsRequest(transactional_ids=[name])


def duplicates_within_a_transaction(w):
    topic, name = w.topic(), w.transactional_id()
    producer = w.producer(name)
    yield _write(name, topic, producer, 0, b"one")
    yield _write(name, topic, producer, 0, b"one")
    yield _write(name, topic, producer, 2, b"three")
    yield _write(name, topic, producer, 1, b"two")
    yield _end(name, producer)
    _await_end(w, topic)
    yield _read(topic, _COMMITTED)
