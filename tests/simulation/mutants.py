"""Brokers that are wrong in one place, and the story that must notice: a test of the simulation itself.

Each mutant is a piece of one function's text put otherwise, in the process that runs the story. Where the broker's text
has changed so that a mutant cannot be made any more, the test says so: then the mutant is to be written anew.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from .stories import consumer_groups, records_and_groups, transactions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from .world import World


class Mutant(NamedTuple):
    """One wrong broker."""

    name: str
    function: str
    """MODULE:NAME within the package, the name as `Class.method` where it is one."""
    right: str
    wrong: str
    story: Callable[[World], Awaitable[None]]
    sees: str
    """What the story says when it notices, as a pattern."""


MUTANTS = (
    # What is on the disk
    Mutant(
        "a recovery believes every checksum",
        "storage.recovery:_Loader._recover_segment",
        "check_crc(data, 0, header)",
        "pass",
        records_and_groups,
        ": p[01]$|Corrupt|CORRUPT|OUT_OF_ORDER",
    ),
    Mutant(
        "a group's answer does not wait for the disk",
        "broker.runtime.group_log:GroupLog.append",
        "self._commits.wait_for(self.partition)",
        "pass",
        consumer_groups,
        "went back to",
    ),
    Mutant(
        "markers are written before the Prepare is on the disk",
        "broker.runtime.transaction_coordinators:TransactionCoordinators._complete_when_committed",
        "if hosted.log.partition.is_committed:",
        "if True:",
        transactions,
        "visible",
    ),
    Mutant(
        "a producer is not known again after a restart",
        "storage.recovery:_Loader._replay",
        "completed = replay_batch(self.producers, data, header)",
        "completed = None",
        records_and_groups,
        "UNKNOWN_PRODUCER_ID|OUT_OF_ORDER_SEQUENCE|: p[01]$",
    ),
    # Classic groups
    Mutant(
        "a commit of an older generation is taken",
        "broker.coordinators.offset_commits:_check_member",
        "generation != group.generation",
        "generation > group.generation",
        records_and_groups,
        "a commit of generation",
    ),
    Mutant(
        "a SyncGroup of an older generation is taken",
        "broker.coordinators.classic_sync:_check",
        "request.generation_id != group.generation",
        "request.generation_id > group.generation",
        records_and_groups,
        "a SyncGroup of generation",
    ),
    Mutant(
        "a heartbeat does not extend the session",
        "broker.coordinators.classic_sync:heartbeat",
        "group.extend_session(group.members[request.member_id], now)",
        "pass",
        records_and_groups,
        "was put out",
    ),
    Mutant(
        "a session never ends",
        "broker.coordinators.classic_group:ClassicGroup._expire_session",
        "if member.is_excused:",
        "if True:",
        records_and_groups,
        "did not become stable",
    ),
    Mutant(
        "an assignment goes to two members",
        "broker.coordinators.classic_group:ClassicGroup.assigned_response",
        "assignment=member.assignment",
        "assignment=max(each.assignment for each in self.members)",
        records_and_groups,
        "two owners in generation",
    ),
    # Consumer groups
    Mutant(
        "a partition is given away before it is given up",
        "broker.coordinators.consumer_reconciliation:Reconciliation._is_free",
        "self._epoch_of(topic_id, partition) == -1 or",
        "True or",
        consumer_groups,
        "was given to m",
    ),
    Mutant(
        "a commit by somebody unknown is taken",
        "broker.coordinators.consumer_offsets:check_commit",
        "return ErrorCode.UNKNOWN_MEMBER_ID",
        "return ErrorCode.NONE",
        consumer_groups,
        "a commit of a member who is out",
    ),
    Mutant(
        "a commit of an older epoch is taken",
        "broker.coordinators.consumer_offsets:check_epoch",
        "epoch < assignment_epoch",
        "False",
        consumer_groups,
        "a commit of an older epoch",
    ),
    Mutant(
        "the usual heartbeat does not extend the session",
        "broker.coordinators.consumer_heartbeat:extend_quietly",
        "group.deadlines.extend_session(",
        "(lambda *_: None)(",
        consumer_groups,
        "was put out|who was last heard",
    ),
    Mutant(
        "a consumer's session never ends",
        "broker.coordinators.consumer_deadlines:ConsumerDeadlines.extend_session",
        "self._sessions[member_id] = deadline_ms",
        "self._sessions[member_id] = deadline_ms + 10**9",
        consumer_groups,
        "did not become stable",
    ),
    # Transactions
    Mutant(
        "a time-out does not fence the producer",
        "broker.coordinators.transaction_end:abort_by_fencing",
        "            server_transaction_version,\n            new_producer_id",
        "            1,\n            new_producer_id",
        transactions,
        "visible",
    ),
    Mutant(
        "one partition gets no marker",
        "broker.runtime.transaction_completion:TransactionCompletion._write_some",
        "not self._mark(place)",
        "len(left) != 1 and not self._mark(place)",
        transactions,
        "visible|not over after|INVALID",
    ),
    Mutant(
        "every transaction is committed",
        "broker.runtime.transaction_markers:TransactionMarkers.write",
        "commit=marker.is_commit",
        "commit=True",
        transactions,
        "is seen|visible|an offset of a transaction that is",
    ),
    Mutant(
        "the last stable offset passes what is open",
        "storage.log:Log.last_stable_offset",
        "return max(unstable, self.log_start_offset)",
        "return self._high_watermark",
        transactions,
        "seen before its commit",
    ),
    Mutant(
        "readers are not told what was aborted",
        "storage.log_segments:LogSegments.aborted_transactions",
        "return ",
        "return [] and ",
        transactions,
        "is seen|visible",
    ),
    Mutant(
        "a prepared transaction is not completed after a restart",
        "broker.coordinators.transaction_shard:TransactionShard.prepared_ids",
        "if transaction.metadata.state.is_prepared",
        "if False",
        transactions,
        "visible|not over after|CONCURRENT",
    ),
    Mutant(
        "offsets of an aborted transaction hold",
        "broker.runtime.transaction_markers:TransactionMarkers.write",
        "is_commit=marker.is_commit)",
        "is_commit=True)",
        transactions,
        "an offset of a transaction that is",
    ),
)


def put_in(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the broker of this process wrong."""
    module_name, _, path = mutant.function.partition(":")
    module = importlib.import_module(f"ottla.{module_name}")
    *owners, name = path.split(".")
    owner: Any = module
    for each in owners:
        owner = getattr(owner, each)
    original = inspect.getattr_static(owner, name)
    wrong = _mutated(mutant, module, original, name)
    if owners:
        monkeypatch.setattr(owner, name, wrong)
        return
    for user in [each for each in sys.modules.values() if each.__name__.startswith("ottla.")]:
        if vars(user).get(name) is original:
            monkeypatch.setattr(user, name, wrong)


def _mutated(mutant: Mutant, module: Any, original: Any, name: str) -> Any:
    function = original.fget if isinstance(original, property) else original
    text = textwrap.dedent(inspect.getsource(function))
    right, wrong = mutant.right, mutant.wrong
    if right not in text:
        # Written as in the module, where a method is indented once more.
        right, wrong = textwrap.dedent(right), textwrap.dedent(wrong)
    assert right in text, f"{mutant.function} has changed: write the mutant {mutant.name!r} anew"
    made: dict[str, Any] = {}
    exec(compile(text.replace(right, wrong), f"<{mutant.name}>", "exec"), vars(module), made)
    return made[name]
