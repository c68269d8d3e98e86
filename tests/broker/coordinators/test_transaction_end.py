"""Commit and abort, once and again, in both transaction versions; and what a crash at each step leaves."""

from __future__ import annotations

import pytest
from ottla.protocol.errors import ErrorCode

from .transaction_script import T0, T1, Script, who

FENCED = ErrorCode.PRODUCER_FENCED
INVALID = ErrorCode.INVALID_TXN_STATE


def ended(script: Script, *, commit: bool, version: int = 2) -> tuple[int, int]:
    """A producer after a whole transaction; returns the one that it was before."""
    before = who(script.init())
    script.add(before, T0, version=version)
    script.end(before, commit=commit, version=version)
    script.complete()
    return before


# ---- version 2


@pytest.mark.parametrize("commit", [True, False])
def test_an_end_raises_the_epoch(commit):
    script = Script()
    producer = who(script.init())
    script.add(producer, T0, T1)
    assert script.end(producer, commit=commit) == (ErrorCode.NONE, 1000, 1)
    assert script.state == ("PrepareCommit" if commit else "PrepareAbort")
    script.complete()
    assert script.state == ("CompleteCommit" if commit else "CompleteAbort")
    assert script.markers == [(T0, 1000, 1, commit), (T1, 1000, 1, commit)]
    assert script.metadata.partitions == frozenset()


@pytest.mark.parametrize("commit", [True, False])
def test_a_repeated_end_is_answered_as_the_first(commit):
    script = Script()
    before = ended(script, commit=commit)
    assert script.end(before, commit=commit) == (ErrorCode.NONE, 1000, 1)


@pytest.mark.parametrize("commit", [True, False])
def test_a_repeated_end_that_wants_the_opposite_is_refused(commit):
    script = Script()
    before = ended(script, commit=commit)
    assert script.end(before, commit=not commit).code is INVALID


@pytest.mark.parametrize("commit", [True, False])
def test_a_commit_without_a_transaction_is_refused(commit):
    script = Script()
    ended(script, commit=commit)
    assert script.end(script.producer, commit=True).code is INVALID


@pytest.mark.parametrize("commit", [True, False])
def test_an_abort_without_a_transaction_raises_the_epoch(commit):
    script = Script()
    ended(script, commit=commit)
    assert script.end(script.producer, commit=False) == (ErrorCode.NONE, 1000, 2)
    assert script.metadata.start_timestamp_ms == script.now_ms
    script.complete()
    assert script.state == "CompleteAbort"


def test_an_empty_producer_may_abort_but_not_commit():
    script = Script()
    producer = who(script.init())
    assert script.end(producer, commit=True).code is INVALID
    assert script.end((producer[0], -1), commit=True).code is FENCED
    assert script.end((producer[0], -1), commit=False).code is FENCED
    assert who(script.end(producer, commit=False)) == (1000, 1)


@pytest.mark.parametrize("epoch", [0, 2, 3])
def test_an_open_transaction_is_ended_by_its_own_epoch_alone(epoch):
    script = Script()
    script.init()
    script.add(who(script.init()), T0)
    assert script.end((1000, epoch), commit=True).code is FENCED
    assert script.state == "Ongoing"


def test_while_it_is_prepared_a_repeated_end_must_wait():
    script = Script()
    producer = who(script.init())
    script.add(producer, T0)
    script.end(producer, commit=True)
    assert script.end(producer, commit=True).code is ErrorCode.CONCURRENT_TRANSACTIONS
    assert script.end(producer, commit=False).code is INVALID
    assert script.end(script.producer, commit=True).code is FENCED
    script.begin()
    assert script.end(producer, commit=False).code is ErrorCode.CONCURRENT_TRANSACTIONS


def test_strangers_are_turned_away():
    script = Script()
    assert script.end((1, 0), commit=True).code is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    script.add(who(script.init()), T0)
    assert script.end((77, 0), commit=True).code is ErrorCode.INVALID_PRODUCER_ID_MAPPING


def with_last_epoch(script: Script) -> tuple[int, int]:
    script.init()
    transaction = script.shard.transactions["payments"]
    transaction.metadata = transaction.metadata._replace(producer_epoch=32_766)
    return script.producer


@pytest.mark.parametrize("commit", [True, False])
def test_the_last_epoch_goes_over_into_a_new_producer_id(commit):
    script = Script()
    producer = with_last_epoch(script)
    script.add(producer, T0)
    assert script.end(producer, commit=commit) == (ErrorCode.NONE, 1001, 0)
    assert script.producer == (1000, 32_767)
    script.complete()
    assert script.markers == [(T0, 1000, 32_767, commit)]
    assert script.producer == (1001, 0)
    assert script.end(producer, commit=commit) == (ErrorCode.NONE, 1001, 0)
    assert script.add((1001, 0), T0) is ErrorCode.NONE


def test_the_new_producer_id_survives_a_crash_between_the_records():
    script = Script()
    producer = with_last_epoch(script)
    script.add(producer, T0)
    script.end(producer, commit=True)
    script.crash()
    script.complete()
    assert script.producer == (1001, 0)
    assert script.end(producer, commit=True) == (ErrorCode.NONE, 1001, 0)


# ---- version 1


@pytest.mark.parametrize("commit", [True, False])
def test_an_old_end_keeps_the_epoch(commit):
    script = Script()
    before = ended(script, commit=commit, version=0)
    assert script.producer == before
    assert script.markers == [(T0, 1000, 0, commit)]


@pytest.mark.parametrize("commit", [True, False])
def test_an_old_end_may_be_repeated_with_the_same_epoch(commit):
    script = Script()
    before = ended(script, commit=commit, version=0)
    assert script.end(before, commit=commit, version=0).code is ErrorCode.NONE
    assert script.end(before, commit=not commit, version=0).code is INVALID


def test_an_old_end_needs_a_transaction():
    script = Script()
    producer = who(script.init())
    assert script.end(producer, commit=True, version=0).code is INVALID
    assert script.end(producer, commit=False, version=0).code is INVALID


def test_an_old_end_waits_while_it_is_prepared():
    script = Script()
    producer = who(script.init())
    script.add(producer, T0, version=0)
    script.end(producer, commit=True, version=0)
    assert script.end(producer, commit=True, version=0).code is ErrorCode.CONCURRENT_TRANSACTIONS
    assert script.end(producer, commit=False, version=0).code is INVALID
    assert script.end((1000, 5), commit=True, version=0).code is FENCED
    script.begin()
    assert script.end(producer, commit=False, version=0).code is ErrorCode.CONCURRENT_TRANSACTIONS


# ---- time


def test_a_transaction_that_lasts_too_long_is_aborted_and_its_producer_fenced():
    script = Script()
    producer = who(script.init())
    script.add(producer, T0)
    script.now_ms += 60_000
    assert script.shard.timed_out_ids(script.now_ms) == []
    script.now_ms += 1
    assert script.shard.timed_out_ids(script.now_ms) == ["payments"]
    script.carry_out(script.shard.abort_timed_out("payments", 2, script.now_ms))
    assert script.shard.timed_out_ids(script.now_ms) == []
    script.complete()
    assert script.state == "CompleteAbort"
    assert script.end(producer, commit=True).code is INVALID
    assert script.add(producer, T0) is FENCED


def test_a_two_phase_transaction_does_not_time_out():
    script = Script()
    script.add(who(script.init(timeout_ms=2_147_483_647)), T0)
    script.now_ms += 1 << 40
    assert script.shard.timed_out_ids(script.now_ms) == []


def test_a_fence_that_was_not_written_leaves_the_transaction_open():
    script = Script(server_version=1)
    producer = who(script.init())
    script.add(producer, T0)
    script.disk_is_full = True
    script.init()
    script.disk_is_full = False
    assert script.state == "Ongoing"
    script.init()
    script.complete()
    assert script.markers == [(T0, 1000, 1, False)]


def test_an_idle_transactional_id_expires_and_an_open_one_does_not():
    script = Script()
    producer = who(script.init())
    script.now_ms += 1000
    assert script.shard.expire(1001, script.now_ms) == []
    script.add(producer, T0)
    script.now_ms += 10_000
    assert script.shard.expire(1000, script.now_ms) == []
    script.end(producer, commit=True)
    assert script.shard.expire(0, script.now_ms) == []
    script.complete()
    script.now_ms += 1000
    [decision] = script.shard.expire(1000, script.now_ms)
    assert script.init().code is ErrorCode.CONCURRENT_TRANSACTIONS
    script.carry_out(decision)
    assert script.shard.transactions == {}
    script.crash()
    assert script.shard.transactions == {}
    assert who(script.init()) == (1001, 0)


def test_many_expire_in_batches_that_fit():
    script = Script()
    for number in range(10):
        decision = script.shard.init_producer_id(f"{number}" * 30, 1000, None, 2, script.now_ms)
        script.write(decision)
    batches = script.shard.expire(0, script.now_ms, batch_bytes_max=200)
    assert [len(batch.records) for batch in batches] == [4, 4, 2]
    assert script.shard.expire(0, script.now_ms) == []


# ---- crashes


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("markers", [0, 1, 2])
def test_a_prepared_transaction_is_completed_after_a_crash(commit, markers):
    script = Script()
    producer = who(script.init())
    script.add(producer, T0, T1)
    script.end(producer, commit=commit)
    completion = script.begin()
    for partition in (T0, T1)[:markers]:
        script.mark(completion, partition)
    script.crash()
    assert script.shard.prepared_ids() == ["payments"]
    script.markers.clear()
    script.complete()
    assert script.markers == [(T0, 1000, 1, commit), (T1, 1000, 1, commit)]
    assert script.end(producer, commit=commit) == (ErrorCode.NONE, 1000, 1)
    script.crash()
    assert script.shard.prepared_ids() == []


def test_an_open_transaction_goes_on_after_a_crash():
    script = Script()
    producer = who(script.init())
    script.add(producer, T0)
    script.crash()
    assert script.verify(producer, T0) is ErrorCode.NONE
    assert who(script.end(producer, commit=True)) == (1000, 1)


def test_a_completion_is_begun_once():
    script = Script()
    assert script.begin() is None
    producer = who(script.init())
    assert script.begin() is None
    script.add(producer, T0)
    script.end(producer, commit=True)
    assert script.begin() is not None
    assert script.begin() is None


def test_markers_that_are_missing_are_known():
    script = Script()
    producer = who(script.init())
    script.add(producer, T0, T1)
    script.end(producer, commit=True)
    completion = script.begin()
    script.mark(completion, T0)
    assert script.shard.transactions["payments"].markers_left == {T1}
