"""EndTxn."""

from __future__ import annotations

from ottla.protocol.messages.end_txn import EndTxnRequest

from ..case import At, versions
from ..transaction_requests import add, begun
from ..world import Producer, batch, produce_request

API = EndTxnRequest


def _end(name, producer, committed=True):
    return EndTxnRequest(
        transactional_id=name, producer_id=producer[0], producer_epoch=producer[1], committed=committed
    )


def committed(w):
    name, producer, _ = begun(w)
    yield _end(name, producer)
    yield _end(name, producer)
    yield _end(name, producer, committed=False)


def aborted(w):
    name, producer, _ = begun(w)
    yield _end(name, producer, committed=False)
    yield _end(name, producer, committed=False)
    yield _end(name, producer)


def nothing_was_begun(w):
    name = w.transactional_id()
    producer = w.producer(name)
    yield _end(name, producer)
    yield _end(name, producer, committed=False)


def producers_that_are_wrong(w):
    name, producer, _ = begun(w)
    for wrong in ((producer.id, producer.epoch + 1), (producer.id + 500_000, 0), (-1, -1)):
        yield _end(name, wrong)


def an_older_producer(w):
    name, older, _ = begun(w)
    w.producer(name)
    yield _end(name, older)


def names_that_are_not_there(w):
    yield _end(w.transactional_id(), (5, 0))
    yield _end("", (5, 0))


@versions("5")
def the_epoch_of_the_next_transaction(w):
    name, producer, topic = begun(w)
    ended = yield _end(name, producer)
    following = Producer(ended.producer_id, ended.producer_epoch)
    records = batch(b"next", producer=following, is_transactional=True)
    yield produce_request(topic, records, transactional_id=name)
    old = batch(b"old", producer=producer, sequence=1, is_transactional=True)
    yield produce_request(topic, old, transactional_id=name)
    yield _end(name, following, committed=False)


@versions("0-4")
def a_second_transaction(w):
    name, producer, topic = begun(w)
    yield _end(name, producer)
    yield At(add(name, producer, (topic.name, [0])), 3)
    records = batch(b"next", producer=producer, sequence=1, is_transactional=True)
    yield At(produce_request(topic, records, transactional_id=name), 11)
    yield _end(name, producer, committed=False)
