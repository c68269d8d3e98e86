"""The service and Kafka, as they work together on a good day and when time passes."""

from __future__ import annotations

import pytest
from ottla.broker import TopicSpec

from .conftest import TIMEOUT_S
from .messages import Invoice, Order
from .processing import ATTEMPT, DEAD_LETTERS, INVOICES, NOT_BEFORE_MS, ORDERS, ORIGIN, REASON, RETRIES

DAY_MS = 24 * 3600 * 1000

pytestmark = pytest.mark.kafka(
    topics={
        ORDERS: 3,
        RETRIES: 1,
        INVOICES: 1,
        DEAD_LETTERS: TopicSpec(1, {"retention.ms": 30 * DAY_MS}),
    }
)


def invoices(kafka) -> list[Invoice]:
    return [Invoice.from_json(record.value) for record in kafka.records(INVOICES) if record.is_readable]


def test_an_order_becomes_an_invoice(kafka, start_service, order):
    start_service()
    with kafka.expect(INVOICES, count=2, timeout=TIMEOUT_S) as found:
        order("1", "espresso", 2, partition=0)
        order("2", "tea", partition=2)
    assert sorted(invoices(kafka), key=lambda each: each.order_id) == [Invoice("1", 500), Invoice("2", 300)]
    assert all(record.transaction == "committed" for record in found)
    kafka.wait_for(lambda: kafka.groups()["orders-service"].lag == 0, TIMEOUT_S)
    assert kafka.records(RETRIES) == kafka.records(DEAD_LETTERS) == []


def test_what_lay_there_before_it_started_is_not_lost(kafka, start_service, order):
    for number in range(120):
        order(str(number))
    with kafka.expect(INVOICES, count=120, timeout=TIMEOUT_S):
        start_service()


def test_it_goes_on_where_it_stopped(kafka, start_service, order):
    with kafka.expect(INVOICES, count=1, timeout=TIMEOUT_S):
        order("1")
        first = start_service()
    kafka.wait_for(lambda: kafka.transactions()["orders-1"].state == "CompleteCommit", TIMEOUT_S)
    first.stop()
    assert kafka.groups()["orders-service"].members == ()
    with kafka.expect(INVOICES, count=1, timeout=TIMEOUT_S) as found:
        order("2")
        start_service()
    assert [record.key for record in found] == [b"2"]


def test_what_is_no_order_is_a_dead_letter(kafka, start_service, order):
    start_service()
    with kafka.expect(DEAD_LETTERS, count=2, timeout=TIMEOUT_S) as letters:
        kafka.produce(ORDERS, "{", key="x", partition=1)
        order("1", "unicorn", partition=1)
    with kafka.expect(INVOICES, count=1, timeout=TIMEOUT_S):
        order("2", partition=1)
    assert [dict(letter.headers)[ORIGIN] for letter in letters] == [b"orders-1@0", b"orders-1@1"]
    assert dict(letters[1].headers)[REASON] == b"no unicorn"


def test_a_retry_waits_for_its_time(kafka, start_service, order, warehouse):
    warehouse.is_open = False
    start_service()
    with kafka.expect(RETRIES, count=1, timeout=TIMEOUT_S) as retries:
        order("1")
    headers = dict(retries[0].headers)
    assert headers[ATTEMPT] == b"2"
    assert 0 < int(headers[NOT_BEFORE_MS]) - kafka.clock.now_ms() <= 30_000

    warehouse.is_open = True
    with kafka.expect(INVOICES, count=1, timeout=TIMEOUT_S) as others:
        order("2")
    assert others[0].key == b"2", "the retry has been handled before its time"

    with kafka.expect(INVOICES, count=1, timeout=TIMEOUT_S) as late:
        kafka.clock.advance(seconds=31)
    assert late[0].key == b"1"
    assert dict(late[0].headers)[ORIGIN] == b"orders-%d@0" % kafka_partition(kafka, b"1")


def kafka_partition(kafka, key: bytes) -> int:
    return next(record.partition for record in kafka.records(ORDERS) if record.key == key)


def test_after_three_attempts_it_is_a_dead_letter(kafka, start_service, order, warehouse):
    # So much time ends the instance's session as well: it joins again, and tries again what it could not commit.
    warehouse.is_open = False
    start_service()
    with kafka.expect(DEAD_LETTERS, count=1, timeout=TIMEOUT_S) as letters:
        with kafka.expect(RETRIES, count=1, timeout=TIMEOUT_S):
            order("1")
        with kafka.expect(RETRIES, count=1, timeout=TIMEOUT_S):
            kafka.clock.advance(seconds=31)
        kafka.clock.advance(seconds=61)
    assert letters[0].value == Order("1", "espresso", 1).to_json()
    assert dict(letters[0].headers)[REASON] == b"3 attempts, the warehouse is closed"
    assert [dict(record.headers)[ATTEMPT] for record in kafka.records(RETRIES) if record.is_readable] == [b"2", b"3"]


def test_dead_letters_are_kept_for_a_month(kafka, start_service):
    instance = start_service()
    with kafka.expect(DEAD_LETTERS, count=1, timeout=TIMEOUT_S):
        kafka.produce(ORDERS, "{")
    kafka.wait_for(lambda: kafka.transactions()["orders-1"].state == "CompleteCommit", TIMEOUT_S)
    instance.stop()
    kafka.clock.advance(days=29)
    assert [record.value for record in kafka.records(DEAD_LETTERS)] == [b"{"]
    kafka.clock.advance(days=2)
    assert kafka.records(DEAD_LETTERS) == []


def test_two_instances_share_the_orders(kafka, start_service, order):
    start_service("orders-1")
    start_service("orders-2")
    shared = kafka.wait_for(lambda: both_have_partitions(kafka), TIMEOUT_S)
    assert shared.assignment == {(ORDERS, 0), (ORDERS, 1), (ORDERS, 2), (RETRIES, 0)}
    with kafka.expect(INVOICES, count=30, timeout=TIMEOUT_S) as found:
        for number in range(30):
            order(str(number), partition=number % 3)
    assert len({record.producer_id for record in found}) == 2
    assert {record.key for record in found} == {str(number).encode() for number in range(30)}


def both_have_partitions(kafka):
    group = kafka.groups()["orders-service"]
    shared = group.state == "Stable" and len(group.members) == 2 and all(member.assignment for member in group.members)
    return group if shared else None
