"""What an admin's filters let through."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.transaction_listing import InvalidPattern, listed, transaction_filter
from ottla.broker.coordinators.transaction_metadata import TransactionMetadata
from ottla.broker.coordinators.transaction_state import TransactionState

NOW = 10_000
EMPTY = TransactionMetadata("idle", 1, 0)
OPEN = TransactionMetadata("open-1", 2, 0, state=TransactionState.ONGOING, start_timestamp_ms=NOW - 500)
DONE = TransactionMetadata("open-2", 3, 0, state=TransactionState.COMPLETE_COMMIT, start_timestamp_ms=NOW - 100)
DEAD = TransactionMetadata("dead", 4, 0, state=TransactionState.DEAD)


def names(states=(), producer_ids=(), duration_ms=-1, pattern=None):
    wanted, _ = transaction_filter(states, producer_ids, duration_ms, pattern)
    return [metadata.transactional_id for metadata in listed([EMPTY, OPEN, DONE, DEAD], wanted, NOW)]


def test_without_a_filter_all_but_the_dead_are_listed():
    assert names() == ["idle", "open-1", "open-2"]


def test_by_state():
    assert names(["Ongoing", "Empty"]) == ["idle", "open-1"]


def test_states_that_do_not_exist_let_nothing_through_and_are_named():
    assert names(["Sleeping"]) == []
    assert transaction_filter(["Sleeping", "Ongoing", "Sleeping"], (), -1, None)[1] == ["Sleeping"]


def test_by_producer():
    assert names(producer_ids=[3, 9]) == ["open-2"]


def test_by_age_and_what_has_not_begun_is_old():
    assert names(duration_ms=100) == ["idle", "open-1"]
    assert names(duration_ms=99) == ["idle", "open-1", "open-2"]


def test_by_pattern_of_the_whole_name():
    assert names(pattern="open-.") == ["open-1", "open-2"]
    assert names(pattern="open") == []
    assert names(pattern="") == ["idle", "open-1", "open-2"]


def test_a_pattern_that_is_none_is_an_error():
    with pytest.raises(InvalidPattern, match=r"Transaction ID pattern `\(` is not a valid regular expression: "):
        transaction_filter((), (), -1, "(")
