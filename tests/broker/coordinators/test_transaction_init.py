"""Who may go on with a transactional id, and who is fenced."""

from __future__ import annotations

import pytest
from ottla.protocol.errors import ErrorCode

from .transaction_script import T0, Script, who


@pytest.fixture
def script() -> Script:
    return Script()


def exhausted(script: Script) -> tuple[int, int]:
    """A producer with the last epoch of its id."""
    script.init()
    transaction = script.shard.transactions["payments"]
    transaction.metadata = transaction.metadata._replace(producer_epoch=32_765)
    return who(script.init())


def test_a_new_transactional_id_begins_with_epoch_0(script):
    assert script.init() == (ErrorCode.NONE, 1000, 0)
    assert script.state == "Empty"


def test_the_next_producer_has_the_next_epoch(script):
    script.init()
    assert who(script.init()) == (1000, 1)


def test_an_open_transaction_is_aborted_first(script):
    first = who(script.init())
    script.add(first, T0)
    assert script.init() == (ErrorCode.CONCURRENT_TRANSACTIONS, -1, -1)
    assert script.state == "PrepareAbort"
    assert script.init().code is ErrorCode.CONCURRENT_TRANSACTIONS
    script.complete()
    assert script.markers == [(T0, 1000, 1, False)]
    assert who(script.init()) == (1000, 2)
    assert script.add(first, T0) is ErrorCode.PRODUCER_FENCED


def test_in_version_1_the_markers_of_a_fenced_transaction_have_the_next_epoch_too():
    script = Script(server_version=1)
    script.add(who(script.init()), T0, version=0)
    script.init()
    script.complete()
    assert script.markers == [(T0, 1000, 1, False)]
    assert who(script.init()) == (1000, 2)


def test_a_producer_that_comes_back_as_itself_gets_the_next_epoch(script):
    producer = who(script.init())
    assert who(script.init(producer)) == (1000, 1)


def test_a_repeated_request_gets_the_epoch_that_it_got(script):
    producer = who(script.init())
    assert who(script.init(producer)) == (1000, 1)
    assert who(script.init(producer)) == (1000, 1)


def test_a_repeated_request_after_a_crash_is_fenced_since_the_last_epoch_is_not_on_record(script):
    producer = who(script.init())
    script.init(producer)
    script.crash()
    assert script.init(producer).code is ErrorCode.PRODUCER_FENCED


def test_a_producer_that_comes_back_after_another_has_begun_is_fenced(script):
    producer = who(script.init())
    script.init()
    script.init()
    assert script.init(producer).code is ErrorCode.PRODUCER_FENCED


def test_a_producer_of_another_id_is_fenced(script):
    script.init()
    assert script.init((77, 0)).code is ErrorCode.PRODUCER_FENCED


def test_an_unknown_transactional_id_takes_a_producer_that_knows_itself(script):
    assert who(script.init((77, 3))) == (1000, 0)


def test_a_new_producer_id_comes_when_the_epochs_ran_out(script):
    producer = exhausted(script)
    assert producer == (1000, 32_766)
    assert who(script.init()) == (1001, 0)


def test_a_producer_whose_epochs_ran_out_goes_on_with_a_new_id_and_may_repeat_that(script):
    producer = exhausted(script)
    assert who(script.init(producer)) == (1001, 0)
    assert who(script.init(producer)) == (1001, 0)


def test_the_timeout_is_the_one_of_the_last_producer(script):
    script.init(timeout_ms=1000)
    script.init(timeout_ms=2000)
    assert script.metadata.timeout_ms == 2000


def test_nothing_has_happened_when_the_log_does_not_take_it(script):
    script.init()
    script.disk_is_full = True
    assert script.init().code is ErrorCode.COORDINATOR_NOT_AVAILABLE
    script.disk_is_full = False
    assert who(script.init()) == (1000, 1)


def test_a_new_id_stays_with_the_name_whose_first_record_was_lost(script):
    script.disk_is_full = True
    script.init()
    script.disk_is_full = False
    assert who(script.init()) == (1000, 0)


def test_two_requests_at_once_are_one_too_many(script):
    script.init()
    first = script.shard.init_producer_id("payments", 1000, None, 2, script.now_ms)
    assert script.init().code is ErrorCode.CONCURRENT_TRANSACTIONS
    script.carry_out(first)
    assert who(script.init()) == (1000, 2)
