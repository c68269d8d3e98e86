"""One transactional id under everything that can happen to it, with what must hold whatever happens.

- What a client was told of a transaction's end is what every partition's marker says.
- A transaction is marked in exactly the partitions that were added to it before its Complete is written.
- No producer but the newest moves anything: the others are refused, and the log does not grow.
- Producer id and epoch never come back, over crashes too.
- Whatever was answered is still true after a crash.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ottla.broker.coordinators.transaction_records import TransactionRecord, decode_record, encode_record
from ottla.broker.coordinators.transaction_state import VALID_PREVIOUS, TransactionState
from ottla.protocol.errors import ErrorCode

from .transaction_script import TIMEOUT_MS, Script

if TYPE_CHECKING:
    from ottla.broker.coordinators.transaction_decision import Answer
    from ottla.broker.coordinators.transaction_shard import Completion

PLACES = [("t", 0), ("t", 1), ("__consumer_offsets", 3)]


class OneTransactionalId(RuleBasedStateMachine):
    @initialize(server_version=st.sampled_from([0, 1, 2]))
    def begin(self, server_version: int) -> None:
        self.script = Script(server_version=server_version)
        # Clients of transaction version 2 come only where the cluster has it.
        self.client_versions = [0, 2] if server_version == 2 else [0]
        self.producers: list[tuple[int, int]] = []
        self.completion: Completion | None = None
        self.open: set[tuple[str, int]] = set()
        self.ending: tuple[bool, set[tuple[str, int]]] | None = None
        self.marked: set[tuple[str, int]] = set()
        self.highest = (-1, -1)
        self.init()

    # ---- what clients do

    @rule()
    def init(self) -> None:
        answer = self.script.init()
        if answer.code is ErrorCode.NONE:
            assert not self.open, "a new producer begins with nothing open"
            self.given(answer)
        self.note_abort()

    @rule(data=st.data())
    def init_as_before(self, data: st.DataObject) -> None:
        producer = data.draw(st.sampled_from(self.producers))
        was = self.script.producer
        answer = self.script.init(producer)
        if answer.code is ErrorCode.NONE:
            assert producer in (was, (was[0], was[1] - 1)), "nobody comes back whom another has followed"
            self.given(answer)
        self.note_abort()

    @rule(data=st.data(), place=st.sampled_from(PLACES))
    def add(self, data: st.DataObject, place: tuple[str, int]) -> None:
        producer = data.draw(st.sampled_from(self.producers))
        was = self.script.producer
        written = len(self.script.log)
        code = self.script.add(producer, place, version=data.draw(st.sampled_from(self.client_versions)))
        if code is ErrorCode.NONE:
            assert producer == was
            self.open.add(place)
        elif not self.script.disk_is_full:
            assert len(self.script.log) == written

    @rule(data=st.data(), commit=st.booleans())
    def end(self, data: st.DataObject, commit: bool) -> None:
        producer = data.draw(st.sampled_from(self.producers))
        version = data.draw(st.sampled_from(self.client_versions))
        was, written = self.script.producer, len(self.script.log)
        answer = self.script.end(producer, commit=commit, version=version)
        if len(self.script.log) > written:
            assert producer == was, "only the newest producer ends a transaction"
            assert answer.code is ErrorCode.NONE
            assert version == 0 or (answer.producer_id, answer.producer_epoch) > self.highest
            self.decided(commit)
        elif answer.code is ErrorCode.NONE:
            assert self.script.state == ("CompleteCommit" if commit else "CompleteAbort")
        if answer.code is ErrorCode.NONE and version == 2:
            self.given(answer)

    # ---- what the coordinator does

    @rule(elapsed_ms=st.integers(1, TIMEOUT_MS + 10))
    def time_passes(self, elapsed_ms: int) -> None:
        self.script.now_ms += elapsed_ms
        shard = self.script.shard
        for transactional_id in shard.timed_out_ids(self.script.now_ms):
            decision = shard.abort_timed_out(transactional_id, self.script.server_version, self.script.now_ms)
            self.script.carry_out(decision)
        self.note_abort()

    @precondition(lambda self: self.completion is None)
    @rule()
    def begin_completion(self) -> None:
        self.completion = self.script.begin()
        self.marked = set()
        if self.completion is not None:
            assert self.ending is not None
            assert (self.completion.is_commit, set(self.completion.prepared.partitions)) == self.ending

    @precondition(lambda self: self.completion is not None and self.marked < self.completion.prepared.partitions)
    @rule(data=st.data())
    def write_marker(self, data: st.DataObject) -> None:
        assert self.completion is not None
        place = data.draw(st.sampled_from(sorted(self.completion.prepared.partitions - self.marked)))
        self.script.mark(self.completion, place)
        self.marked.add(place)

    @precondition(lambda self: self.completion is not None and self.marked == self.completion.prepared.partitions)
    @rule()
    def finish(self) -> None:
        assert self.completion is not None
        assert self.ending is not None
        self.script.finish(self.completion)
        assert self.script.state == ("CompleteCommit" if self.ending[0] else "CompleteAbort")
        self.completion = self.ending = None

    @rule()
    def crash(self) -> None:
        before = self.script.metadata
        self.script.crash()
        if self.script.shard.transactions:
            after = self.script.metadata
            assert (after.state, after.partitions) == (before.state, before.partitions)
            assert self.script.producer == (before.producer_id, before.producer_epoch)
        else:
            self.init()
        self.completion = None
        self.marked = set()

    @rule()
    def disk(self) -> None:
        self.script.disk_is_full = not self.script.disk_is_full

    # ---- the model

    def given(self, answer: Answer) -> None:
        """A producer was told who it is."""
        producer = (answer.producer_id, answer.producer_epoch)
        if producer not in self.producers:
            assert producer > self.highest, "nobody gets what somebody else had before"
            self.highest = producer
            self.producers.append(producer)

    def decided(self, commit: bool) -> None:
        assert self.ending is None
        self.ending = (commit, self.open)
        self.open = set()

    def note_abort(self) -> None:
        """The coordinator may have decided alone that what was open is aborted."""
        if self.script.metadata.state is TransactionState.PREPARE_ABORT and self.ending is None:
            self.decided(commit=False)

    @invariant()
    def the_log_is_a_path_through_the_states(self) -> None:
        if not hasattr(self, "script"):
            return
        transaction = self.script.shard.transactions.get("payments")
        if transaction is None:
            return
        state = transaction.metadata.state
        assert state.is_prepared == (self.ending is not None)
        assert (state is TransactionState.ONGOING) == bool(self.open)
        assert transaction.metadata.partitions == (self.open if self.ending is None else self.ending[1])
        assert transaction.markers_left == ((self.ending[1] - self.marked) if self.ending is not None else set())

    def teardown(self) -> None:
        states = [_state(value) for _, value in self.script.log if value is not None]
        for before, after in itertools.pairwise(states):
            assert before in VALID_PREVIOUS[after], f"{before.label} to {after.label}"


def _state(value: bytes) -> TransactionState:
    key, _ = encode_record(TransactionRecord("payments", None), 2)
    record = decode_record(key, value)
    assert record is not None
    assert record.metadata is not None
    return record.metadata.state


OneTransactionalId.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOneTransactionalId = OneTransactionalId.TestCase
