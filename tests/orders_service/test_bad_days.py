"""Exactly once means: whatever happens to the broker, the network and the instances, each order has one invoice."""

from __future__ import annotations

from collections import Counter

import pytest
from ottla.broker import Fault

from .conftest import TIMEOUT_S
from .processing import DEAD_LETTERS, INVOICES, ORDERS, RETRIES
from .test_service import both_have_partitions

pytestmark = pytest.mark.kafka(topics={ORDERS: 3, RETRIES: 1, INVOICES: 2, DEAD_LETTERS: 1})

ORDERS_PLACED = 60
QUICK = {"retry_backoff_ms": 10}

BAD_DAYS = {
    "answers to writes are lost": [Fault.lose_answer("Produce", topic=INVOICES, times=3)],
    "ends of transactions are lost": [Fault.lose_answer("EndTxn", times=2)],
    "ends of transactions are not even tried": [Fault.disconnect("EndTxn", times=2)],
    "offsets of transactions are lost": [Fault.lose_answer("TxnOffsetCommit", times=2)],
    "the coordinator of transactions moves": [
        Fault.coordinator_unavailable(transactional_id="orders-1", after=3, times=5)
    ],
    "the coordinator of the group moves": [Fault.coordinator_unavailable(group="orders-service", after=3, times=5)],
    "leaders move": [Fault.error("Produce", "NOT_LEADER_OR_FOLLOWER", topic=INVOICES, times=5)],
    "everything is slow and falls apart": [
        Fault.disconnect(probability=0.03, seed=11, times=15),
        Fault.delay(None, 0.02, probability=0.2, seed=12),
    ],
}


def assert_each_has_one_invoice(kafka, count: int) -> None:
    kafka.wait_for(lambda: len(readable_keys(kafka)) >= count, TIMEOUT_S, message=lambda: f"{count} invoices")
    assert Counter(readable_keys(kafka)) == Counter(str(number).encode() for number in range(count))
    kafka.wait_for(lambda: kafka.groups()["orders-service"].lag == 0, TIMEOUT_S)


def readable_keys(kafka) -> list[bytes | None]:
    return [record.key for record in kafka.records(INVOICES) if record.is_readable]


@pytest.mark.parametrize("faults", BAD_DAYS.values(), ids=list(BAD_DAYS))
def test_faults(kafka, start_service, order, faults):
    active = [kafka.faults.add(fault) for fault in faults]
    start_service(**QUICK)
    for number in range(ORDERS_PLACED):
        order(str(number))
        if number % 10 == 9:
            kafka.wait_for(lambda placed=number: len(readable_keys(kafka)) > placed // 2, TIMEOUT_S)
    assert_each_has_one_invoice(kafka, ORDERS_PLACED)
    assert active[0].hits


def test_the_broker_is_killed(kafka, start_service, order):
    start_service(**QUICK)
    for number in range(ORDERS_PLACED):
        order(str(number))
        if number % 20 == 19:
            kafka.faults.crash()
    assert_each_has_one_invoice(kafka, ORDERS_PLACED)


def test_writes_fail_for_a_while(kafka, start_service, order):
    start_service(**QUICK)
    with kafka.expect(INVOICES, count=1, timeout=TIMEOUT_S):
        order("0")
    with kafka.faults.error(
        ["Produce", "AddPartitionsToTxn", "TxnOffsetCommit"], "KAFKA_STORAGE_ERROR", times=4
    ) as failing:
        for number in range(1, ORDERS_PLACED):
            order(str(number))
        kafka.wait_for(lambda: failing.hits, TIMEOUT_S)
    assert_each_has_one_invoice(kafka, ORDERS_PLACED)


CANNOT_END = Fault.disconnect(["AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"], client_id="orders-1")


@pytest.fixture
def half_done(kafka, start_service, order):
    """An instance that has written order 1's invoice and cannot end the transaction."""
    instance = start_service(**QUICK)
    order("0")
    kafka.wait_for(lambda: kafka.transactions()["orders-1"].state == "CompleteCommit", TIMEOUT_S)
    kafka.faults.add(CANNOT_END)
    order("1")
    kafka.wait_for(lambda: invoice_of(kafka, b"1").transaction == "open", TIMEOUT_S)
    return instance


def invoice_of(kafka, key: bytes):
    """The first one that was written; LookupError as long as there is none."""
    found = [record for record in kafka.records(INVOICES) if record.key == key]
    return found[0]


def test_an_instance_that_hangs_in_a_transaction_is_replaced(kafka, start_service, half_done):
    """Its half-done transaction is aborted by who replaces it, and it learns that it was replaced."""
    start_service(**QUICK)
    kafka.wait_for(lambda: invoice_of(kafka, b"1").transaction == "aborted", TIMEOUT_S)
    kafka.faults.clear()
    assert half_done.was_replaced.wait(TIMEOUT_S)
    assert_each_has_one_invoice(kafka, 2)


def test_a_transaction_that_nobody_ends_is_aborted_in_time(kafka, start_service, half_done):
    """Who reads the invoices is not held up by it: the coordinator looks every ten seconds for what took too long."""
    kafka.clock.advance(seconds=59)
    assert invoice_of(kafka, b"1").transaction == "open"
    kafka.clock.advance(seconds=11)
    assert invoice_of(kafka, b"1").transaction == "aborted"
    kafka.faults.clear()
    assert half_done.was_replaced.wait(TIMEOUT_S)
    start_service(**QUICK)
    assert_each_has_one_invoice(kafka, 2)


def test_an_instance_that_is_cut_off_loses_its_orders_to_the_other(kafka, start_service, order):
    start_service("orders-1", **QUICK)
    start_service("orders-2", **QUICK)
    kafka.wait_for(lambda: both_have_partitions(kafka), TIMEOUT_S)
    with kafka.faults.disconnect(client_id="orders-1"):
        kafka.clock.advance(seconds=46)
        kafka.wait_for(lambda: has_everything(kafka, "orders-2"), TIMEOUT_S)
        for number in range(ORDERS_PLACED):
            order(str(number), partition=number % 3)
        assert_each_has_one_invoice(kafka, ORDERS_PLACED)
    kafka.wait_for(lambda: both_have_partitions(kafka), TIMEOUT_S)
    order(str(ORDERS_PLACED))
    assert_each_has_one_invoice(kafka, ORDERS_PLACED + 1)


def has_everything(kafka, instance: str) -> bool:
    members = kafka.groups()["orders-service"].members
    return len(members) == 1 and members[0].client_id == instance and len(members[0].assignment) == 4
