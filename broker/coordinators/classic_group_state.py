"""The states of a classic group and the ways between them (Kafka's `ClassicGroupState`).

`transition` is the only door between two states; a way that is not in the table is a bug and raises.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class ClassicGroupState(Enum):
    """What a classic group is doing; the value is the name that DescribeGroups and ListGroups show."""

    EMPTY = "Empty"
    """Nobody is a member. Offsets may be there, and keep the group alive until they expire.

    Actions: JoinGroup of a new member is accepted and opens the first rebalance; SyncGroup, Heartbeat and LeaveGroup
    answer UNKNOWN_MEMBER_ID; OffsetCommit is accepted without a generation (a consumer that assigns by hand, an admin).
    Transitions: a first member joins: PREPARING_REBALANCE; deleted, or its last offset expired: DEAD.
    """

    PREPARING_REBALANCE = "PreparingRebalance"
    """Members are being gathered for the next generation.

    Actions: JoinGroup is parked until everybody has come or the time is up; SyncGroup and Heartbeat answer
    REBALANCE_IN_PROGRESS, and the heartbeat still extends the session; LeaveGroup removes the member;
    OffsetCommit of the last generation is accepted, so that members can finish what they had.
    Transitions: all have joined, or the rebalance timeout passed and some have: COMPLETING_REBALANCE;
    the last member left: EMPTY.
    """

    COMPLETING_REBALANCE = "CompletingRebalance"
    """The generation is set; the leader works out the assignment.

    Actions: SyncGroup of a follower is parked until the leader's comes; the leader's is written to the log and answers
    all; Heartbeat is accepted; OffsetCommit answers REBALANCE_IN_PROGRESS; JoinGroup with the same metadata gets the
    generation again (its answer was lost), with other metadata it begins a new rebalance.
    Transitions: the assignment is written: STABLE; a member joins, changes, leaves, fails, or never syncs:
    PREPARING_REBALANCE.
    """

    STABLE = "Stable"
    """Everybody has an assignment.

    Actions: SyncGroup answers the assignment; Heartbeat and OffsetCommit of the generation are accepted; JoinGroup of
    a follower with the same metadata gets the generation again.
    Transitions: a member joins, leaves, fails or changes its metadata, or the leader joins again: PREPARING_REBALANCE;
    a static member that comes back with the same choice of protocol writes itself in: STABLE.
    """

    DEAD = "Dead"
    """The group is gone from this coordinator: deleted, expired, or its partition unloaded.

    Actions: everything answers COORDINATOR_NOT_AVAILABLE, so that the client looks for the coordinator again.
    Transitions: none.
    """


LEGAL_TRANSITIONS: Final = {
    ClassicGroupState.EMPTY: frozenset({ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.DEAD}),
    ClassicGroupState.PREPARING_REBALANCE: frozenset(
        {ClassicGroupState.COMPLETING_REBALANCE, ClassicGroupState.EMPTY, ClassicGroupState.DEAD}
    ),
    ClassicGroupState.COMPLETING_REBALANCE: frozenset(
        {ClassicGroupState.STABLE, ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.DEAD}
    ),
    ClassicGroupState.STABLE: frozenset(
        {ClassicGroupState.STABLE, ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.DEAD}
    ),
    ClassicGroupState.DEAD: frozenset[ClassicGroupState](),
}
"""From each state, the states that may follow."""


class IllegalTransitionError(RuntimeError):
    """A group was asked to go a way that the table does not have."""


def check_transition(current: ClassicGroupState, target: ClassicGroupState) -> None:
    """Raise IllegalTransitionError unless the table has the way from `current` to `target`."""
    if target not in LEGAL_TRANSITIONS[current]:
        raise IllegalTransitionError(f"a group cannot go from {current.value} to {target.value}")
