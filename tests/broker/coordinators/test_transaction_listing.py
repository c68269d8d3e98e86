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


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (".*", ["a\U0001f600b", "pay-1", "zahlung-\xfc", "\xdcBER", "\u65e5\u672c"]),
        ("zahlung-.", ["zahlung-\xfc"]),
        ("zahlung-\xfc", ["zahlung-\xfc"]),
        ("zahlung-\xe4", []),
        (r"zahlung-\x{fc}", ["zahlung-\xfc"]),
        ("zahlung-[\xe0-\xfd]", ["zahlung-\xfc"]),
        ("(?i)\xfcber", ["\xdcBER"]),
        ("(?i)[\xe0-\xfd]ber", ["\xdcBER"]),
        ("..", ["\u65e5\u672c"]),
        ("a.b", ["a\U0001f600b"]),
        ("[^a-z]+", ["\xdcBER", "\u65e5\u672c"]),
        (r"\pL+", ["\xdcBER", "\u65e5\u672c"]),
        (r"\p{Han}+", ["\u65e5\u672c"]),
        (r"\p{Latin}+", ["\xdcBER"]),
        (r"\W+", ["\u65e5\u672c"]),
    ],
)
def test_names_beyond_ascii_match_as_in_kafka(pattern, expected):
    """Apache Kafka 4.3.1 was asked."""
    ids = ["a\U0001f600b", "pay-1", "zahlung-\xfc", "\xdcBER", "\u65e5\u672c"]
    wanted, _ = transaction_filter((), (), -1, pattern, ids)
    found = listed([TransactionMetadata(name, 1, 0) for name in ids], wanted, NOW)
    assert [metadata.transactional_id for metadata in found] == expected


@pytest.mark.parametrize("pattern", ["(", "a{1001}", "(?=x)", "\\", "[z-a]", "*", "x{2,1}", "(?P<n>x)(?P<n>y)", "\\8"])
def test_what_re2_does_not_read_is_an_error(pattern):
    with pytest.raises(InvalidPattern):
        transaction_filter((), (), -1, pattern)


def test_a_hostile_pattern_takes_no_longer_than_its_length():
    wanted, _ = transaction_filter((), (), -1, "(a+)+b")
    assert not wanted.lets_through(TransactionMetadata("a" * 20_000, 1, 0), NOW)
