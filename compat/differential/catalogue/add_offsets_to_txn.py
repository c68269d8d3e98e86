"""AddOffsetsToTxn."""

from __future__ import annotations

from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest

API = AddOffsetsToTxnRequest


def _request(name, producer, group):
    return AddOffsetsToTxnRequest(
        transactional_id=name, producer_id=producer[0], producer_epoch=producer[1], group_id=group
    )


def of_a_group(w):
    name, group = w.transactional_id(), w.group()
    producer = w.producer(name)
    yield _request(name, producer, group)
    yield _request(name, producer, group)


def producers_that_are_wrong(w):
    name, group = w.transactional_id(), w.group()
    producer = w.producer(name)
    for wrong in ((producer.id, producer.epoch + 1), (producer.id + 500_000, 0), (-1, -1)):
        yield _request(name, wrong, group)


def an_older_producer(w):
    name, group = w.transactional_id(), w.group()
    older = w.producer(name)
    w.producer(name)
    yield _request(name, older, group)


def names_that_are_not_there(w):
    group = w.group()
    yield _request(w.transactional_id(), (5, 0), group)
    yield _request("", (5, 0), group)


def an_empty_group(w):
    name = w.transactional_id()
    yield _request(name, w.producer(name), "")
