"""What becomes of a record, without Kafka."""

from __future__ import annotations

import pytest

from .messages import Invoice, Order
from .processing import (
    ATTEMPT,
    DEAD_LETTERS,
    INVOICES,
    NOT_BEFORE_MS,
    ORIGIN,
    REASON,
    RETRIES,
    Incoming,
    RetryPolicy,
    decide,
)

NOW_MS = 1_700_000_000_000
POLICY = RetryPolicy(attempts=3, first_delay_ms=1000)


def record(value: bytes | None, **headers: bytes) -> Incoming:
    return Incoming("orders", 2, 7, b"k", value, {name.replace("_", "-"): value for name, value in headers.items()})


def test_an_order(warehouse):
    out = decide(record(Order("1", "espresso", 3).to_json()), warehouse, POLICY, NOW_MS)
    assert (out.topic, out.key, Invoice.from_json(out.value)) == (INVOICES, b"1", Invoice("1", 750))
    assert out.headers == {ORIGIN: b"orders-2@7"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, b"not an order"),
        (b"{", b"not an order"),
        (b"[]", b"not an order"),
        (b'{"order_id": 1}', b"not an order: KeyError('item')"),
        (Order("1", "espresso", 0).to_json(), b"a quantity of 0"),
        (Order("1", "unicorn", 1).to_json(), b"no unicorn"),
    ],
)
def test_dead_letters(warehouse, value, reason):
    out = decide(record(value), warehouse, POLICY, NOW_MS)
    assert (out.topic, out.key, out.value) == (DEAD_LETTERS, b"k", value)
    assert out.headers[REASON].startswith(reason)
    assert out.headers[ORIGIN] == b"orders-2@7"


def test_retries_come_later_each_time_and_end(warehouse):
    warehouse.is_open = False
    value = Order("1", "tea", 1).to_json()
    first = decide(record(value), warehouse, POLICY, NOW_MS)
    assert first.topic == RETRIES
    assert first.headers == {ATTEMPT: b"2", NOT_BEFORE_MS: b"%d" % (NOW_MS + 1000), ORIGIN: b"orders-2@7"}
    second = decide(record(value, attempt=b"2", origin=b"o"), warehouse, POLICY, NOW_MS)
    assert second.headers == {ATTEMPT: b"3", NOT_BEFORE_MS: b"%d" % (NOW_MS + 2000), ORIGIN: b"o"}
    third = decide(record(value, attempt=b"3", origin=b"o"), warehouse, POLICY, NOW_MS)
    assert third.topic == DEAD_LETTERS
    assert third.headers == {REASON: b"3 attempts, the warehouse is closed", ORIGIN: b"o"}
