"""Which partitions belong to a transaction, and who may say so."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.transaction_init import ProducerIdAndEpoch
from ottla.protocol.errors import ErrorCode

from .transaction_script import T0, T1, Script, who


@pytest.fixture
def script() -> Script:
    return Script()


def test_the_first_partition_begins_the_transaction(script):
    producer = who(script.init())
    script.now_ms += 5
    assert script.add(producer, T0) is ErrorCode.NONE
    assert script.state == "Ongoing"
    assert script.metadata.start_timestamp_ms == script.now_ms


def test_further_partitions_join(script):
    producer = who(script.init())
    script.add(producer, T0)
    begun_ms = script.now_ms
    script.now_ms += 5
    script.add(producer, T1)
    assert script.metadata.partitions == {T0, T1}
    assert script.metadata.start_timestamp_ms == begun_ms
    assert script.metadata.last_update_timestamp_ms == script.now_ms


def test_known_partitions_write_nothing(script):
    producer = who(script.init())
    script.add(producer, T0, T1)
    written = len(script.log)
    assert script.add(producer, T1) is ErrorCode.NONE
    assert len(script.log) == written


@pytest.mark.parametrize(
    ("producer", "code"),
    [
        ((77, 1), ErrorCode.INVALID_PRODUCER_ID_MAPPING),
        ((1000, 0), ErrorCode.PRODUCER_FENCED),
        ((1000, 2), ErrorCode.PRODUCER_FENCED),
    ],
)
def test_another_producer_is_turned_away(script, producer, code):
    script.init()
    script.init()
    assert script.add(producer, T0) is code
    assert script.verify(producer, T0) is code
    assert script.state == "Empty"


def test_an_unknown_transactional_id_is_turned_away(script):
    assert script.add((1, 0), T0) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert script.verify((1, 0), T0) is ErrorCode.INVALID_PRODUCER_ID_MAPPING


def test_nothing_joins_a_transaction_that_ends(script):
    script.add(who(script.init()), T0)
    script.end(script.producer, commit=True)
    assert script.add(script.producer, T1) is ErrorCode.CONCURRENT_TRANSACTIONS
    assert script.verify(script.producer, T0) is ErrorCode.CONCURRENT_TRANSACTIONS


def test_nothing_joins_while_markers_are_written(script):
    script.add(who(script.init()), T0)
    script.end(script.producer, commit=True)
    script.begin()
    assert script.add((1, 1), T1) is ErrorCode.CONCURRENT_TRANSACTIONS


def test_verifying_tells_who_is_part_of_it(script):
    producer = who(script.init())
    script.add(producer, T0)
    assert script.verify(producer, T0) is ErrorCode.NONE
    assert script.verify(producer, T1) is ErrorCode.TRANSACTION_ABORTABLE


def test_verifying_answers_while_partitions_are_being_added(script):
    producer = who(script.init())
    script.shard.add_partitions("payments", ProducerIdAndEpoch(*producer), frozenset({T0}), 2, script.now_ms)
    assert script.verify(producer, T0) is ErrorCode.TRANSACTION_ABORTABLE
    assert script.add(producer, T1) is ErrorCode.CONCURRENT_TRANSACTIONS


def test_the_next_transaction_begins_without_the_partitions_of_the_last(script):
    producer = who(script.init())
    script.add(producer, T0)
    producer = who(script.end(producer, commit=True))
    script.complete()
    script.add(producer, T1)
    assert script.metadata.partitions == {T1}
