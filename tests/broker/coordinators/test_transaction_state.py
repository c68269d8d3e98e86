"""Every state of a transactional id under everything that can be asked of it, and every pair of states.

The answers in states that last (all but Prepare*) are those of Apache Kafka 4.3.1 to the same requests.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from ottla.broker.coordinators.transaction_metadata import IllegalTransition, TransactionMetadata
from ottla.broker.coordinators.transaction_state import VALID_PREVIOUS, TransactionState

from .transaction_script import T0, T1, TIMEOUT_MS, Script

if TYPE_CHECKING:
    from ottla.protocol.errors import ErrorCode

EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT, DEAD, EPOCH_FENCE = TransactionState
LEGAL = {
    *itertools.product((EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT), (EMPTY, ONGOING, PREPARE_ABORT, DEAD)),
    *itertools.product((ONGOING,), (ONGOING, PREPARE_COMMIT, PREPARE_ABORT, EPOCH_FENCE)),
    (PREPARE_COMMIT, COMPLETE_COMMIT),
    (PREPARE_ABORT, COMPLETE_ABORT),
}
NEW = "new"
STATES = (NEW, "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort")

# The code, and the state that is on record afterwards; None where it is the same.
TABLE = {
    "init": {
        NEW: ("NONE", "Empty"),
        "Empty": ("NONE", "Empty"),
        "Ongoing": ("CONCURRENT_TRANSACTIONS", "PrepareAbort"),
        "PrepareCommit": ("CONCURRENT_TRANSACTIONS", None),
        "PrepareAbort": ("CONCURRENT_TRANSACTIONS", None),
        "CompleteCommit": ("NONE", "Empty"),
        "CompleteAbort": ("NONE", "Empty"),
    },
    "init of somebody else": {
        NEW: ("NONE", "Empty"),
        "Empty": ("PRODUCER_FENCED", None),
        "Ongoing": ("PRODUCER_FENCED", None),
        "PrepareCommit": ("PRODUCER_FENCED", None),
        "PrepareAbort": ("PRODUCER_FENCED", None),
        "CompleteCommit": ("PRODUCER_FENCED", None),
        "CompleteAbort": ("PRODUCER_FENCED", None),
    },
    "add": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("NONE", "Ongoing"),
        "Ongoing": ("NONE", "Ongoing"),
        "PrepareCommit": ("CONCURRENT_TRANSACTIONS", None),
        "PrepareAbort": ("CONCURRENT_TRANSACTIONS", None),
        "CompleteCommit": ("NONE", "Ongoing"),
        "CompleteAbort": ("NONE", "Ongoing"),
    },
    "verify": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("TRANSACTION_ABORTABLE", None),
        "Ongoing": ("NONE", None),
        "PrepareCommit": ("CONCURRENT_TRANSACTIONS", None),
        "PrepareAbort": ("CONCURRENT_TRANSACTIONS", None),
        "CompleteCommit": ("TRANSACTION_ABORTABLE", None),
        "CompleteAbort": ("TRANSACTION_ABORTABLE", None),
    },
    "commit": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("INVALID_TXN_STATE", None),
        "Ongoing": ("NONE", "PrepareCommit"),
        "PrepareCommit": ("PRODUCER_FENCED", None),
        "PrepareAbort": ("PRODUCER_FENCED", None),
        "CompleteCommit": ("INVALID_TXN_STATE", None),
        "CompleteAbort": ("INVALID_TXN_STATE", None),
    },
    "abort": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("NONE", "PrepareAbort"),
        "Ongoing": ("NONE", "PrepareAbort"),
        "PrepareCommit": ("PRODUCER_FENCED", None),
        "PrepareAbort": ("PRODUCER_FENCED", None),
        "CompleteCommit": ("NONE", "PrepareAbort"),
        "CompleteAbort": ("NONE", "PrepareAbort"),
    },
    "commit again": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("PRODUCER_FENCED", None),
        "Ongoing": ("PRODUCER_FENCED", None),
        "PrepareCommit": ("CONCURRENT_TRANSACTIONS", None),
        "PrepareAbort": ("INVALID_TXN_STATE", None),
        "CompleteCommit": ("NONE", None),
        "CompleteAbort": ("INVALID_TXN_STATE", None),
    },
    "abort again": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("PRODUCER_FENCED", None),
        "Ongoing": ("PRODUCER_FENCED", None),
        "PrepareCommit": ("INVALID_TXN_STATE", None),
        "PrepareAbort": ("CONCURRENT_TRANSACTIONS", None),
        "CompleteCommit": ("INVALID_TXN_STATE", None),
        "CompleteAbort": ("NONE", None),
    },
    "old commit": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("INVALID_TXN_STATE", None),
        "Ongoing": ("NONE", "PrepareCommit"),
        "PrepareCommit": ("CONCURRENT_TRANSACTIONS", None),
        "PrepareAbort": ("INVALID_TXN_STATE", None),
        "CompleteCommit": ("NONE", None),
        "CompleteAbort": ("INVALID_TXN_STATE", None),
    },
    "old abort": {
        NEW: ("INVALID_PRODUCER_ID_MAPPING", None),
        "Empty": ("INVALID_TXN_STATE", None),
        "Ongoing": ("NONE", "PrepareAbort"),
        "PrepareCommit": ("INVALID_TXN_STATE", None),
        "PrepareAbort": ("CONCURRENT_TRANSACTIONS", None),
        "CompleteCommit": ("INVALID_TXN_STATE", None),
        "CompleteAbort": ("NONE", None),
    },
}


def in_state(state: str) -> Script:
    """A transactional id that got there by its own requests."""
    script = Script()
    if state == NEW:
        return script
    script.init()
    if state != "Empty":
        script.add(script.producer, T0)
    if state not in ("Empty", "Ongoing"):
        script.end(script.producer, commit=state.endswith("Commit"))
    if state.startswith("Complete"):
        script.complete()
    assert script.state == state
    return script


def asked(script: Script, request: str) -> ErrorCode:
    who = script.producer if script.shard.transactions else (7, 0)
    before = (who[0], who[1] - 1)
    if request == "init":
        return script.init().code
    if request == "init of somebody else":
        return script.init((who[0] + 77, 0)).code
    if request == "add":
        return script.add(who, T1)
    if request == "verify":
        return script.verify(who, T0)
    producer = before if request.endswith("again") else who
    version = 0 if request.startswith("old") else 2
    return script.end(producer, commit="commit" in request, version=version).code


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("request_", TABLE)
def test_a_request_in_a_state(state, request_):
    script = in_state(state)
    was, written = None if state == NEW else script.metadata, len(script.log)
    code, becomes = TABLE[request_][state]
    assert asked(script, request_).name == code
    if becomes is None:
        assert len(script.log) == written
        assert not script.shard.transactions if was is None else script.metadata == was
    else:
        assert (len(script.log), script.state) == (written + 1, becomes)


@pytest.mark.parametrize("state", STATES[1:])
@pytest.mark.parametrize("request_", TABLE)
def test_while_a_record_is_on_its_way_nothing_is_begun(state, request_):
    script = in_state(state)
    decision = script.shard.expire(0, script.now_ms)
    if state.startswith("Prepare"):
        assert script.begin() is not None
    elif state == "Ongoing":
        script.decide_end(script.producer, commit=True)
    else:
        assert decision
    was, written = script.metadata, len(script.log)
    code = asked(script, request_)
    assert (script.metadata, len(script.log)) == (was, written)
    if request_ == "verify":
        assert code.name == TABLE["verify"][state][0], "to ask changes nothing"
    else:
        assert code.name == "CONCURRENT_TRANSACTIONS"


@pytest.mark.parametrize("state", STATES[1:])
def test_time_passes(state):
    script = in_state(state)
    script.now_ms += TIMEOUT_MS + 1
    assert script.shard.timed_out_ids(script.now_ms) == (["payments"] if state == "Ongoing" else [])
    may_expire = state in ("Empty", "CompleteCommit", "CompleteAbort")
    assert bool(script.shard.expire(TIMEOUT_MS, script.now_ms)) is may_expire


@pytest.mark.parametrize("state", STATES[1:])
def test_only_what_is_prepared_is_completed(state):
    completion = in_state(state).begin()
    if not state.startswith("Prepare"):
        assert completion is None
        return
    assert completion is not None
    assert completion.record.metadata is not None
    assert completion.record.metadata.state.label == state.replace("Prepare", "Complete")


def test_every_state_has_its_row():
    assert set(VALID_PREVIOUS) == set(TransactionState)
    assert {(before, after) for after, all_before in VALID_PREVIOUS.items() for before in all_before} == LEGAL


def moved(metadata: TransactionMetadata, target: TransactionState) -> TransactionMetadata | None:
    """The metadata in the state, by the one way there is; which Complete follows is not asked for."""
    if target is EMPTY:
        return metadata.with_next_epoch(TIMEOUT_MS, None, 5)
    if target is ONGOING:
        return metadata.with_partitions(frozenset({T0}), 2, 5)
    if target in (PREPARE_COMMIT, PREPARE_ABORT):
        return metadata.prepared(target, 2, now_ms=5)
    return metadata.completed(5)


WAYS = set(itertools.product(TransactionState, (EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT)))
WAYS -= {(PREPARE_ABORT, COMPLETE_COMMIT)}


@pytest.mark.parametrize(("current", "target"), sorted(WAYS | {(PREPARE_ABORT, COMPLETE_ABORT)}))
def test_transition(current, target):
    metadata = TransactionMetadata("payments", 1, 0, state=current)
    if (current, target) in LEGAL:
        reached = moved(metadata, target)
        assert reached is not None
        assert reached.state is target
    else:
        with pytest.raises(IllegalTransition):
            moved(metadata, target)
