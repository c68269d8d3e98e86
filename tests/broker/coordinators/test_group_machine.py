"""Any sequence of requests, time and restarts keeps the group's promises.

The promises: a replayed copy holds the same durable state (checked by the playbook at each step); a generation never
goes back while the broker lives; a member is in one place only; nobody waits where nothing will answer; an offset that
was acknowledged is there.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ottla.broker.coordinators.classic_group_state import ClassicGroupState
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.protocol.errors import ErrorCode

from .playbook import (
    GROUP,
    Advance,
    Beat,
    CleanUp,
    Code,
    Commit,
    DeleteGroup,
    DeleteOffset,
    Join,
    Leave,
    Playbook,
    RefuseNextAppend,
    Restart,
    Sync,
    WroteEnd,
    WroteOffset,
    subscription,
)

LABELS = st.sampled_from("abcd")
STATIC = {"c": "i", "d": "i"}  # c and d fight for one instance
PROTOCOLS = st.sampled_from(
    [
        {"range": subscription("t")},
        {"range": subscription("t"), "sticky": subscription("t")},
        {"sticky": subscription("u"), "range": b""},
    ]
)


class GroupMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.play = Playbook(
            GroupSettings(
                session_timeout_min_ms=1, initial_rebalance_delay_ms=500, group_size_max=3, offsets_retention_ms=60_000
            )
        )
        self.generation = 0
        self.acknowledged: dict[tuple[str, int], int] = {}

    def do(self, action) -> None:
        self.play >> action
        self.take_in()

    def take_in(self) -> None:
        for event in self.play.seen:
            if isinstance(event, WroteOffset) and event.offset is None:
                self.acknowledged.pop((event.topic, event.partition), None)
            elif isinstance(event, WroteEnd):
                self.generation = 0
        self.play.seen.clear()

    @rule(label=LABELS, version=st.sampled_from([3, 4, 9]), protocols=PROTOCOLS, fresh=st.booleans())
    def join(self, label, version, protocols, fresh):
        member_id = "" if fresh else None
        action = Join(label, version, protocols, session_ms=5000, rebalance_ms=8000, member_id=member_id)
        action.instance = STATIC.get(label)
        if label in self.play.parked:
            return  # one connection sends one request at a time
        self.do(action)

    @rule(label=LABELS)
    def sync(self, label):
        if label not in self.play.parked:
            self.do(Sync(label, {name: name.encode() for name in "abcd"}, instance=STATIC.get(label)))

    @rule(label=LABELS)
    def beat(self, label):
        self.do(Beat(label, instance=STATIC.get(label)))

    @rule(label=LABELS)
    def leave(self, label):
        self.do(Leave(label, instance=STATIC.get(label)))

    @rule(label=st.sampled_from([None, "a", "b", "c"]), topic=st.sampled_from("tu"), offset=st.integers(0, 99))
    def commit(self, label, topic, offset):
        self.play >> Commit(label, offset, topic, instance=STATIC.get(label))
        if self.play.seen[-1] == Code(ErrorCode.NONE):
            self.acknowledged[topic, 0] = offset
        self.take_in()

    @rule(ms=st.sampled_from([0, 1, 400, 500, 4999, 5000, 8000, 61_000]))
    def advance(self, ms):
        self.do(Advance(ms))

    @rule()
    def restart(self):
        self.do(Restart())
        self.generation = 0

    @rule(code=st.sampled_from([ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.MESSAGE_TOO_LARGE]))
    def refuse(self, code):
        self.do(RefuseNextAppend(code))

    @rule()
    def clean_up(self):
        self.do(CleanUp())

    @rule()
    def delete_group(self):
        self.do(DeleteGroup())

    @rule()
    def delete_offset(self):
        self.do(DeleteOffset())

    @invariant()
    def generation_never_goes_back(self):
        group = self.play.shard.groups.get(GROUP)
        if group is not None:
            assert group.generation >= self.generation
            self.generation = group.generation

    @invariant()
    def an_acknowledged_offset_never_goes_back(self):
        kept = self.play.shard.offsets.snapshot().get(GROUP, {})
        assert {place: committed.offset for place, committed in kept.items()} == self.acknowledged

    @invariant()
    def members_are_in_one_place(self):
        group = self.play.shard.groups.get(GROUP)
        if group is None:
            return
        members = group.members
        ids = {member.member_id for member in members}
        assert not ids & set(members.pending)
        assert members.pending_sync <= ids
        assert members.awaiting_join == sum(member.join_waiter is not None for member in members)
        assert (members.leader_id in ids) if ids else members.leader_id is None
        instances = [member.group_instance_id for member in members if member.group_instance_id]
        assert len(instances) == len(set(instances))
        assert all(members.static_member_id(instance) in ids for instance in instances)
        assert all(not (member.join_waiter and member.sync_waiter) for member in members)

    @invariant()
    def states_hold_what_they_say(self):
        group = self.play.shard.groups.get(GROUP)
        if group is None:
            return
        joins = sum(member.join_waiter is not None for member in group.members)
        syncs = sum(member.sync_waiter is not None for member in group.members)
        if group.state is not ClassicGroupState.PREPARING_REBALANCE:
            assert joins == 0
        if group.state is not ClassicGroupState.COMPLETING_REBALANCE:
            assert syncs == 0
        if group.state is ClassicGroupState.EMPTY:
            assert len(group.members) == 0
        if group.state in (ClassicGroupState.STABLE, ClassicGroupState.COMPLETING_REBALANCE):
            assert len(group.members) > 0
            assert all(member.metadata(group.protocol_name) is not None for member in group.members)

    @invariant()
    def every_waiter_belongs_to_a_member_and_a_deadline_ends_its_wait(self):
        group = self.play.shard.groups.get(GROUP)
        parked = 0
        if group is not None:
            parked = sum((m.join_waiter is not None) + (m.sync_waiter is not None) for m in group.members)
        assert parked == len(self.play.parked)
        if parked:
            assert group.next_deadline_ms is not None
            assert (
                group.join_deadline_ms is not None
                or group.sync_deadline_ms is not None
                or any(member.session_deadline_ms is not None for member in group.members)
            )

    @invariant()
    def a_stable_group_is_what_its_record_says(self):
        group = self.play.shard.groups.get(GROUP)
        if group is not None and group.state is ClassicGroupState.STABLE:
            stored = {member.member_id: member.assignment for member in group.committed.members}
            assert stored == {member.member_id: member.assignment for member in group.members}
            assert group.committed.generation == group.generation


GroupMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestGroupMachine = GroupMachine.TestCase
