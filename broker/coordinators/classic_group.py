"""A classic group: its state, its generations and its deadlines (Kafka's `ClassicGroup`).

What is durable is `committed`, the last group record that was replayed; `replay` is the only place that changes it,
live and at load. Everything else (who is joining, who is parked, when sessions end) is volatile and may run ahead of
it between two records: a broker that restarts goes on from the last assignment that was written, as Kafka does.

This module holds the state and the rebalance itself; what each request does to it is in `classic_join`,
`classic_sync` and `classic_leave`. All times are `Moment`s given from outside.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from ...protocol.messages.sync_group import SyncGroupResponse
from ...protocol.stored.classic_groups import GroupMetadataValue
from .classic_group_state import ClassicGroupState, check_transition
from .classic_member import ClassicMember, select_protocol
from .classic_members import ClassicMembers
from .group_effects import Append, Effect, Moment, Reply, Waiter, nothing_more
from .group_records import group_metadata_record
from .subscription import CONSUMER_PROTOCOL_TYPE, subscribed_topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.stored.classic_groups import MemberMetadata
    from .group_settings import GroupSettings


_ABSENT_STATIC_WAIT_MS_MIN = 100
"""However short a rebalance timeout a client asks for, absent static members are not waited for in a busy loop."""


class ClassicGroup:
    """One group. Methods that may park or answer somebody return effects; the caller carries them out in order."""

    __slots__ = (
        "_initial_remaining_ms",
        "_staged",
        "committed",
        "generation",
        "group_id",
        "join_deadline_ms",
        "members",
        "new_member_added",
        "next_deadline_ms",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "settings",
        "state",
        "state_since_ms",
        "subscribed_topics",
        "sync_deadline_ms",
    )

    type_name = "classic"

    def __init__(self, group_id: str, settings: GroupSettings) -> None:
        self.group_id = group_id
        self.settings = settings
        self.committed: GroupMetadataValue | None = None
        """The last group record replayed; None for a group that only has offsets."""
        self.state = ClassicGroupState.EMPTY
        self.previous_state = ClassicGroupState.DEAD
        self.state_since_ms: int | None = None
        """Wall time of the last change of state; None where an old record does not tell."""
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.subscribed_topics: frozenset[str] | None = None
        """Topics that the members of a consumer group subscribe to; None while nobody knows."""
        self.members = ClassicMembers()
        self.new_member_added = False
        self.join_deadline_ms: int | None = None
        self.sync_deadline_ms: int | None = None
        self.next_deadline_ms: int | None = None
        """No deadline is earlier than this one. It may be stale on the early side: `expire` then finds nothing due."""
        self._initial_remaining_ms: int | None = None
        self._staged: ClassicMember | None = None

    # ---- durable state

    def replay(self, value: GroupMetadataValue) -> None:
        """Take over a group record: the generation it tells, and the members with their assignments.

        Members who are here keep what is volatile about them (deadlines, parked requests, all their protocols).
        """
        adopted = [self._adopt(stored, value) for stored in value.members]
        self._staged = None
        self.committed = value
        self.generation = value.generation
        self.protocol_type = value.protocol_type or None
        self.protocol_name = value.protocol
        self.state_since_ms = None if value.current_state_timestamp == -1 else value.current_state_timestamp
        self.members.replace_all(adopted, value.leader)
        self.subscribed_topics = self._compute_subscribed_topics()
        self.previous_state, self.state = self.state, self._settled_state(value)

    def _settled_state(self, value: GroupMetadataValue) -> ClassicGroupState:
        """Where the record leaves the group. A log being loaded may leap; a group with deadlines lives and may not."""
        target = ClassicGroupState.STABLE if value.members else ClassicGroupState.EMPTY
        if self.next_deadline_ms is not None and target is not self.state:
            check_transition(self.state, target)
        return target

    def _adopt(self, stored: MemberMetadata, value: GroupMetadataValue) -> ClassicMember:
        member = self.members.get(stored.member_id)
        if member is None and self._staged is not None and self._staged.member_id == stored.member_id:
            member = self._staged
        if member is None:
            return ClassicMember.stored(stored, value)
        member.assignment = stored.assignment
        return member

    def to_record_value(self, members: list[MemberMetadata]) -> GroupMetadataValue:
        """The group as a record keeps it, with the given members."""
        return GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation,
            protocol=self.protocol_name,
            leader=self.members.leader_id,
            current_state_timestamp=-1 if self.state_since_ms is None else self.state_since_ms,
            members=members,
        )

    def resume(self, now: Moment) -> list[Effect]:
        """Begin to live after a load: every session starts again; a group above the size limit rebalances."""
        for member in self.members:
            self.extend_session(member, now)
        if len(self.members) > self.settings.group_size_max:
            return self.prepare_rebalance(now)
        return []

    def stage(self, member: ClassicMember) -> None:
        """Keep a member aside until the record that brings it in is replayed."""
        self._staged = member

    def unstage(self) -> None:
        """Forget the staged member: its record could not be written."""
        self._staged = None

    # ---- what the group is

    @property
    def uses_consumer_protocol(self) -> bool:
        """Whether its members are consumers, whose metadata can be read."""
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    @property
    def is_initial_rebalance(self) -> bool:
        """Whether the members of a group that was empty are still being waited for."""
        return self.state is ClassicGroupState.PREPARING_REBALANCE and self.previous_state is ClassicGroupState.EMPTY

    @property
    def can_rebalance(self) -> bool:
        """Whether a change begins a rebalance, instead of joining one that is under way."""
        return self.state in (
            ClassicGroupState.STABLE,
            ClassicGroupState.COMPLETING_REBALANCE,
            ClassicGroupState.EMPTY,
        )

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic; consumers whose metadata cannot be read may read every one."""
        if self.subscribed_topics is None:
            return self.uses_consumer_protocol
        return topic in self.subscribed_topics

    def supports(self, protocol_type: str, names: list[str]) -> bool:
        """Whether a member of that type who speaks these protocols can be in the group."""
        if self.state is ClassicGroupState.EMPTY:
            return bool(protocol_type and names)
        return self.protocol_type == protocol_type and self.members.all_speak_one_of(names)

    def transition(self, target: ClassicGroupState, now: Moment) -> None:
        """Go to another state; IllegalTransitionError where the table has no such way."""
        check_transition(self.state, target)
        self.previous_state, self.state = self.state, target
        self.state_since_ms = now.wall_ms

    def add(self, member: ClassicMember) -> None:
        """Take a member in; the first one sets the protocol type."""
        if not len(self.members):
            self.protocol_type = member.protocol_type
        self.members.add(member)

    def _compute_subscribed_topics(self) -> frozenset[str] | None:
        if not self.uses_consumer_protocol:
            return None
        if not len(self.members):
            return frozenset()
        if self.protocol_name is None:
            return None
        return subscribed_topics(member.metadata(self.protocol_name) for member in self.members)

    # ---- deadlines

    def wake_by(self, deadline_ms: int) -> int:
        """See that `expire` is called at that time at the latest; return it."""
        if self.next_deadline_ms is None or deadline_ms < self.next_deadline_ms:
            self.next_deadline_ms = deadline_ms
        return deadline_ms

    def extend_session(self, member: ClassicMember, now: Moment, timeout_ms: int | None = None) -> None:
        """Let the member's session end one timeout from now."""
        timeout_ms = member.session_timeout_ms if timeout_ms is None else timeout_ms
        member.session_deadline_ms = self.wake_by(now.monotonic_ms + timeout_ms)

    def expect_pending(self, member_id: str, session_timeout_ms: int, now: Moment) -> None:
        """Wait one session for a member that was given its id."""
        self.members.pending[member_id] = self.wake_by(now.monotonic_ms + session_timeout_ms)

    def expire(self, now: Moment) -> list[Effect]:
        """Do what has become due, in the order of deadlines, up to the first record that must be written."""
        effects: list[Effect] = []
        for _, act in sorted(self._due(now.monotonic_ms), key=lambda due: due[0]):
            done = act(now)
            effects += done
            if any(type(effect) is Append for effect in done):
                break
        self.next_deadline_ms = min(self._deadlines(), default=None)
        return effects

    def _deadlines(self) -> list[int]:
        deadlines = [member.session_deadline_ms for member in self.members]
        deadlines += [self.join_deadline_ms, self.sync_deadline_ms, *self.members.pending.values()]
        return [deadline for deadline in deadlines if deadline is not None]

    def _due(self, now_ms: int) -> list[tuple[int, Callable[[Moment], list[Effect]]]]:
        due: list[tuple[int, Callable[[Moment], list[Effect]]]] = []
        for member in self.members:
            if member.session_deadline_ms is not None and member.session_deadline_ms <= now_ms:
                due.append((member.session_deadline_ms, partial(self._expire_session, member)))
        for member_id, deadline_ms in self.members.pending.items():
            if deadline_ms <= now_ms:
                due.append((deadline_ms, partial(self._expire_pending, member_id)))
        if self.join_deadline_ms is not None and self.join_deadline_ms <= now_ms:
            due.append((self.join_deadline_ms, self._expire_join))
        if self.sync_deadline_ms is not None and self.sync_deadline_ms <= now_ms:
            due.append((self.sync_deadline_ms, self._expire_sync))
        return due

    def _expire_session(self, member: ClassicMember, now: Moment) -> list[Effect]:
        deadline_ms = member.session_deadline_ms
        if deadline_ms is None or deadline_ms > now.monotonic_ms or self.members.get(member.member_id) is not member:
            return []  # an earlier deadline of this round moved it
        member.session_deadline_ms = None
        if member.is_excused:
            return []
        effects = self.remove_member(member)
        if self.state in (ClassicGroupState.STABLE, ClassicGroupState.COMPLETING_REBALANCE):
            return effects + self.prepare_rebalance(now)
        return effects + self._complete_join_if_all_are_here(now)

    def _expire_pending(self, member_id: str, now: Moment) -> list[Effect]:
        if self.members.pending.pop(member_id, None) is None:
            return []
        return self._complete_join_if_all_are_here(now)

    def _expire_join(self, now: Moment) -> list[Effect]:
        if self.join_deadline_ms is None or self.join_deadline_ms > now.monotonic_ms:
            return []
        if self._initial_remaining_ms and self.new_member_added:
            self.new_member_added = False
            self._wait_for_first_members(self._initial_remaining_ms, now)
            return []
        return self.complete_join(now)

    def _expire_sync(self, now: Moment) -> list[Effect]:
        if self.sync_deadline_ms is None or self.sync_deadline_ms > now.monotonic_ms:
            return []
        self.sync_deadline_ms = None
        effects: list[Effect] = []
        for member_id in sorted(self.members.pending_sync):
            effects += self.remove_member(self.members[member_id])
        return effects + self.prepare_rebalance(now)

    # ---- the rebalance

    def rebalance_or_complete_join(self, now: Moment) -> list[Effect]:
        """Begin a rebalance, or go on with the one under way."""
        if self.can_rebalance:
            return self.prepare_rebalance(now)
        return self.complete_join_if_ready(now)

    def prepare_rebalance(self, now: Moment) -> list[Effect]:
        """Begin to gather members; those who wait for an assignment are told to join again."""
        effects: list[Effect] = []
        if self.state is ClassicGroupState.COMPLETING_REBALANCE:
            effects = self.drop_assignments(ErrorCode.REBALANCE_IN_PROGRESS, now)
        self.members.pending_sync.clear()
        self.sync_deadline_ms = None
        self.transition(ClassicGroupState.PREPARING_REBALANCE, now)
        if self.is_initial_rebalance:
            self._wait_for_first_members(self.members.rebalance_timeout_ms(), now)
            return effects
        if self.members.have_all_joined:
            return effects + self.complete_join(now)
        self.join_deadline_ms = self.wake_by(now.monotonic_ms + self.members.rebalance_timeout_ms())
        return effects

    def _wait_for_first_members(self, allowed_ms: int, now: Moment) -> None:
        """Give others who start at the same time a moment: each newcomer extends it, up to the rebalance timeout."""
        delay_ms = self.settings.initial_rebalance_delay_ms
        if self._initial_remaining_ms is not None:
            delay_ms = min(delay_ms, allowed_ms)
        self._initial_remaining_ms = max(allowed_ms - delay_ms, 0)
        self.join_deadline_ms = self.wake_by(now.monotonic_ms + delay_ms)

    def complete_join_if_ready(self, now: Moment) -> list[Effect]:
        """End the gathering when all are here; an initial one always waits for its time."""
        if self.is_initial_rebalance:
            return []
        return self._complete_join_if_all_are_here(now)

    def _complete_join_if_all_are_here(self, now: Moment) -> list[Effect]:
        if self.state is ClassicGroupState.PREPARING_REBALANCE and self.members.have_all_joined:
            return self.complete_join(now)
        return []

    def complete_join(self, now: Moment) -> list[Effect]:
        """End the gathering: who has not come back is out (static members stay), the rest get a new generation."""
        self.join_deadline_ms = None
        self._initial_remaining_ms = None
        for member in [member for member in self.members if member.join_waiter is None]:
            if member.group_instance_id is None:
                self.members.remove(member.member_id)
        if not len(self.members):
            return [self._emptied(now)]
        if not self.members.elect_joined_leader():
            # Only static members are left, and none has come: wait until their sessions tell who is alive.
            wait_ms = max(self.members.rebalance_timeout_ms(), _ABSENT_STATIC_WAIT_MS_MIN)
            self.join_deadline_ms = self.wake_by(now.monotonic_ms + wait_ms)
            return []
        return self._begin_generation(now)

    def _begin_generation(self, now: Moment) -> list[Effect]:
        self.generation += 1
        self.protocol_name = select_protocol(self.members)
        self.subscribed_topics = self._compute_subscribed_topics()
        self.transition(ClassicGroupState.COMPLETING_REBALANCE, now)
        self.members.pending_sync = {member.member_id for member in self.members}
        self.sync_deadline_ms = self.wake_by(now.monotonic_ms + self.members.rebalance_timeout_ms())
        effects: list[Effect] = []
        for member in self.members:
            member.is_new = False
            self.extend_session(member, now)
            waiter = self.members.unpark_join(member)
            if waiter is not None:
                effects.append(Reply(waiter, self.joined_response(member.member_id)))
        return effects

    def _emptied(self, now: Moment) -> Append:
        value = GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation + 1,
            protocol=None,
            leader=None,
            current_state_timestamp=now.wall_ms,
        )
        # When it cannot be written the group is empty all the same: the last record may come back to life after a
        # restart, and then times out.
        return Append((group_metadata_record(self.group_id, value),), nothing_more, partial(self._empty_unwritten, now))

    def _empty_unwritten(self, now: Moment, _: ErrorCode) -> list[Effect]:
        self.generation += 1
        self.protocol_name = None
        self.subscribed_topics = self._compute_subscribed_topics()
        self.transition(ClassicGroupState.EMPTY, now)
        return []

    def unload(self, now: Moment) -> list[Effect]:
        """Give the group up: whoever waits is told to look for the coordinator again."""
        self.transition(ClassicGroupState.DEAD, now)
        effects: list[Effect] = []
        for member in self.members:
            effects += self.answer_parked(member, member.member_id, ErrorCode.NOT_COORDINATOR)
        return effects

    # ---- answers to parked members

    def remove_member(self, member: ClassicMember) -> list[Effect]:
        """Take a member out; what it has parked is answered, so that a client that lives tries again."""
        effects = self.answer_parked(member, "", ErrorCode.UNKNOWN_MEMBER_ID)
        self.members.remove(member.member_id)
        return effects

    def answer_parked(self, member: ClassicMember, member_id: str, code: ErrorCode) -> list[Effect]:
        """Answer what a member has parked with an error."""
        effects: list[Effect] = []
        join_waiter = self.members.unpark_join(member)
        if join_waiter is not None:
            effects.append(refused_join(join_waiter, member_id, code))
        sync_waiter, member.sync_waiter = member.sync_waiter, None
        if sync_waiter is not None:
            effects.append(refused_sync(sync_waiter, code))
        return effects

    def drop_assignments(self, code: ErrorCode, now: Moment) -> list[Effect]:
        """Tell everybody who waits for an assignment that there will be none."""
        effects: list[Effect] = []
        for member in self.members:
            member.assignment = b""
            waiter, member.sync_waiter = member.sync_waiter, None
            if waiter is not None:
                self.extend_session(member, now)
                effects.append(refused_sync(waiter, code))
        return effects

    def hand_out_assignments(self, now: Moment) -> list[Effect]:
        """Answer everybody who waits for the assignment that was written."""
        effects: list[Effect] = []
        for member in self.members:
            waiter, member.sync_waiter = member.sync_waiter, None
            if waiter is not None:
                self.extend_session(member, now)
                effects.append(Reply(waiter, self.assigned_response(member)))
        return effects

    def joined_response(self, member_id: str, *, skip_assignment: bool = False) -> JoinGroupResponse:
        """The generation as a member learns it; the leader also learns all members."""
        is_leader = self.members.leader_id == member_id
        return JoinGroupResponse(
            generation_id=self.generation,
            protocol_type=self.protocol_type,
            protocol_name=self.protocol_name,
            leader=self.members.leader_id or "",
            skip_assignment=skip_assignment,
            member_id=member_id,
            members=self._members_for_leader() if is_leader else [],
        )

    def _members_for_leader(self) -> list[JoinGroupResponseMember]:
        return [
            JoinGroupResponseMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=member.metadata(self.protocol_name),
            )
            for member in self.members
        ]

    def assigned_response(self, member: ClassicMember) -> SyncGroupResponse:
        """A member's assignment in this generation."""
        return SyncGroupResponse(
            protocol_type=self.protocol_type, protocol_name=self.protocol_name, assignment=member.assignment
        )


def refused_join(waiter: Waiter, member_id: str, code: ErrorCode) -> Reply:
    """The answer to a JoinGroup that failed."""
    return Reply(waiter, JoinGroupResponse(error_code=code, member_id=member_id, protocol_name=None))


def refused_sync(waiter: Waiter, code: ErrorCode) -> Reply:
    """The answer to a SyncGroup that failed."""
    return Reply(waiter, SyncGroupResponse(error_code=code))
