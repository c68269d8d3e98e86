"""InitProducerId."""

from __future__ import annotations

from ottla.protocol.messages.init_producer_id import InitProducerIdRequest

from ..case import versions

API = InitProducerIdRequest


def _request(name=None, timeout_ms=60_000, producer=(-1, -1)):
    return InitProducerIdRequest(
        transactional_id=name,
        transaction_timeout_ms=timeout_ms,
        producer_id=producer[0],
        producer_epoch=producer[1],
    )


def without_a_transactional_id(w):
    yield _request()
    yield _request(timeout_ms=0)
    yield _request(timeout_ms=-1)


def with_a_transactional_id(w):
    name = w.transactional_id()
    yield _request(name)
    yield _request(name)


def an_empty_transactional_id(w):
    yield _request("")


def timeouts_that_are_not_valid(w):
    name = w.transactional_id()
    for timeout_ms in (0, -1, 900_001, 2**31 - 1, 900_000, 1):
        yield _request(name, timeout_ms=timeout_ms)


@versions("3+")
def going_on_with_an_epoch(w):
    name = w.transactional_id()
    first = yield _request(name)
    again = yield _request(name, producer=(first.producer_id, first.producer_epoch))
    yield _request(name, producer=(first.producer_id, first.producer_epoch))
    yield _request(name, producer=(again.producer_id, again.producer_epoch))
    yield _request(name, producer=(again.producer_id, 99))
    yield _request(name, producer=(again.producer_id + 500_000, 0))


@versions("3+")
def halves_of_a_producer(w):
    name = w.transactional_id()
    yield _request(name, producer=(5, -1))
    yield _request(name, producer=(-1, 5))
    yield _request(name, producer=(-2, -2))


@versions("3+")
def an_idempotent_producer_that_goes_on(w):
    first = yield _request()
    yield _request(producer=(first.producer_id, first.producer_epoch))
    yield _request(producer=(first.producer_id, 77))


@versions("3+")
def a_transactional_id_that_is_new(w):
    yield _request(w.transactional_id(), producer=(4_000_000, 3))
