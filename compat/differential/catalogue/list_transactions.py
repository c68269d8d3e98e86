"""ListTransactions."""

from __future__ import annotations

from ottla.protocol.messages.list_transactions import ListTransactionsRequest

from ..case import versions
from ..transaction_requests import begun

API = ListTransactionsRequest


def _some(w):
    name, producer, _ = begun(w, "open")
    w.producer(w.transactional_id("empty"))
    return name, producer


def everything(w):
    _some(w)
    yield ListTransactionsRequest()


def by_state(w):
    _some(w)
    for states in (["Ongoing"], ["Empty"], ["ongoing"], ["Ongoing", "Nonsense"], ["Nonsense"], [""], ["Dead"]):
        yield ListTransactionsRequest(state_filters=states)


def by_producer(w):
    _, producer = _some(w)
    yield ListTransactionsRequest(producer_id_filters=[producer.id])
    yield ListTransactionsRequest(producer_id_filters=[producer.id, 4_000_000])
    yield ListTransactionsRequest(producer_id_filters=[4_000_000])


@versions("1+")
def by_duration(w):
    _some(w)
    for duration_ms in (0, 3_600_000, -1, -5):
        yield ListTransactionsRequest(duration_filter=duration_ms)


@versions("2+")
def by_pattern(w):
    name, _ = _some(w)
    for pattern in (name, name[:-2] + ".*", "no-such.*", "", ".*open$"):
        yield ListTransactionsRequest(transactional_id_pattern=pattern)
    yield ListTransactionsRequest(transactional_id_pattern="a(")
