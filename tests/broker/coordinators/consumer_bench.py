"""A shard with consumer groups, its log in a list, topics to read, and a clock that is moved by hand.

After each step everything written so far is replayed into a fresh shard, which must then hold the same, and no
partition may have two owners.
"""

from __future__ import annotations

import uuid
from collections import deque

from ottla.broker.coordinators.consumer_group import ConsumerGroup
from ottla.broker.coordinators.consumer_settings import ConsumerGroupConfigs, ConsumerGroupSettings, GroupIntervals
from ottla.broker.coordinators.group_effects import Append, Caller, Moment
from ottla.broker.coordinators.group_records import decode_record, encode_record
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.broker.coordinators.group_shard import GroupShard
from ottla.broker.coordinators.group_topics import GroupTopics
from ottla.broker.metadata.image import MetadataImage
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from ottla.protocol.messages.leave_group import MemberIdentity
from ottla.protocol.messages.offset_commit import OffsetCommitRequest
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from ottla.protocol.stored.metadata import PartitionRecord, RemoveTopicRecord, TopicRecord

GROUP = "g"
WALL_START_MS = 1_700_000_000_000
SESSION_MS = 45_000
REBALANCE_MS = 60_000
AT_ONCE = ConsumerGroupSettings(intervals=GroupIntervals(assignment_interval_ms=0))


def topic_id(name: str) -> bytes:
    return uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes


class ConsumerBench:
    """`beat` and its like return the answer; None while it is parked."""

    def __init__(self, settings: ConsumerGroupSettings = AT_ONCE, classic: GroupSettings | None = None) -> None:
        self.configs = ConsumerGroupConfigs(settings)
        self.classic_settings = classic or GroupSettings(session_timeout_min_ms=1, initial_rebalance_delay_ms=0)
        self.image = MetadataImage("cluster", 1)
        self.topics = GroupTopics(self.image)
        self.shard = self._fresh_shard()
        self.log: list[tuple[bytes, bytes | None]] = []
        self.now = Moment(0, WALL_START_MS)
        self.refuse: ErrorCode | None = None
        self.answers: dict[int, object] = {}
        self._waiters = 0
        self._made_ids = 0

    def _fresh_shard(self) -> GroupShard:
        return GroupShard(self.classic_settings, self.configs, self.topics)

    @property
    def group(self) -> ConsumerGroup:
        group = self.shard.groups[GROUP]
        assert isinstance(group, ConsumerGroup)
        return group

    @property
    def state(self) -> str:
        return self.shard.groups[GROUP].state.value

    # ---- topics

    def topic(self, name: str, partitions: int) -> None:
        self.image.replay(TopicRecord(name=name, topic_id=topic_id(name)))
        self._add_partitions(name, 0, partitions)
        self.image.last_offset += 1
        self.topics.note_change(name, is_new=True)

    def grow(self, name: str, partitions: int) -> None:
        self._add_partitions(name, len(self.image.topics_by_name[name].partitions), partitions)
        self.topics.note_change(name)

    def drop(self, name: str) -> None:
        self.image.replay(RemoveTopicRecord(topic_id=topic_id(name)))
        self.topics.note_change(name)

    def _add_partitions(self, name: str, first: int, end: int) -> None:
        for index in range(first, end):
            record = PartitionRecord(partition_id=index, topic_id=topic_id(name), replicas=[1], isr=[1], leader=1)
            self.image.replay(record)

    # ---- consumers

    def beat(self, member: str, epoch: int, owned: dict[str, list[int]] | None = None, **said):
        """A heartbeat; `owned` by topic name."""
        partitions = None
        if owned is not None:
            partitions = [TopicPartitions(topic_id=topic_id(name), partitions=own) for name, own in owned.items()]
        said.setdefault("group_id", GROUP)
        client = said.pop("client_id", member)
        request = ConsumerGroupHeartbeatRequest(
            member_id=member, member_epoch=epoch, topic_partitions=partitions, **said
        )
        caller = self._caller(client)
        outcome = self.shard.consumer_heartbeat(request, caller, self._new_member_id, self.now)
        if isinstance(outcome, list):
            self._perform(outcome)
            outcome = self.answers.pop(caller.waiter)
        self.check()
        return outcome

    def join(self, member: str, *topics: str, **said):
        said = {"rebalance_timeout_ms": REBALANCE_MS, "subscribed_topic_names": list(topics), **said}
        return self.beat(member, 0, {}, **said)

    def told(self, answer) -> dict[str, list[int]] | None:
        """The assignment of an answer, by topic name."""
        if answer.assignment is None:
            return None
        names = {topic_id(name): name for name in self.image.topics_by_name}
        return {names[topic.topic_id]: topic.partitions for topic in answer.assignment.topic_partitions}

    def has(self, member: str) -> dict[str, list[int]]:
        """What the group thinks that a member has."""
        names = {topic_id(name): name for name in self.image.topics_by_name}
        return {names[topic]: sorted(own) for topic, own in self.group.members[member].assigned.items()}

    # ---- classic members

    def classic_join(
        self,
        member: str,
        protocols: dict[str, bytes],
        *,
        version: int = 3,
        instance: str | None = None,
        protocol_type: str = "consumer",
        session_ms: int = 10_000,
    ):
        request = JoinGroupRequest(
            group_id=GROUP,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=REBALANCE_MS,
            member_id=member,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=data) for name, data in protocols.items()],
        )
        caller = self._caller("classic", version)
        self._perform(self.shard.join(request, caller, self._new_member_id, self.now))
        self.check()
        self.advance(0)  # the first rebalance of a classic group waits for others, be it for no time
        return self.answers.pop(caller.waiter, None)

    def classic_sync(self, member: str, generation: int, assignments: dict[str, bytes] | None = None, **said):
        given = [
            SyncGroupRequestAssignment(member_id=who, assignment=what) for who, what in (assignments or {}).items()
        ]
        request = SyncGroupRequest(
            group_id=GROUP, generation_id=generation, member_id=member, assignments=given, **said
        )
        caller = self._caller("classic", 5)
        self._perform(self.shard.sync(request, caller, self.now))
        self.check()
        return self.answers.pop(caller.waiter, None)

    def classic_beat(self, member: str, generation: int, **said) -> ErrorCode:
        request = HeartbeatRequest(group_id=GROUP, member_id=member, generation_id=generation, **said)
        return self.shard.heartbeat(request, self.now)

    def classic_leave(self, *identities: tuple[str, str | None]) -> list[ErrorCode]:
        members = [MemberIdentity(member_id=member, group_instance_id=instance) for member, instance in identities]
        responses, effects = self.shard.leave(GROUP, members, self.now)
        self._perform(effects)
        self.check()
        return [ErrorCode(response.error_code) for response in responses]

    # ---- offsets, groups, time

    def commit_request(self, member: str, epoch: int) -> OffsetCommitRequest:
        return OffsetCommitRequest(group_id=GROUP, member_id=member, generation_id_or_member_epoch=epoch)

    def decided(self, decision) -> ErrorCode:
        self._write(decision.records)
        self.check()
        return decision.code

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass, stopping at every deadline on the way."""
        end_ms = self.now.monotonic_ms + elapsed_ms
        while (due_ms := self._next_deadline_ms()) is not None and due_ms <= end_ms:
            self._set_clock(max(due_ms, self.now.monotonic_ms))
            self._perform(self.shard.expire(GROUP, self.now))
            self.check()
        self._set_clock(end_ms)

    def _next_deadline_ms(self) -> int | None:
        group = self.shard.groups.get(GROUP)
        return None if group is None else group.next_deadline_ms

    def _set_clock(self, monotonic_ms: int) -> None:
        self.now = Moment(monotonic_ms, WALL_START_MS + monotonic_ms)

    def restart(self) -> None:
        """The broker is killed: only the records are left."""
        self.shard = self.replayed_copy()
        self._perform(self.shard.resume(self.now))

    # ---- the runtime's part

    def _caller(self, client_id: str, version: int = 1) -> Caller:
        self._waiters += 1
        return Caller(self._waiters, version, client_id, "/127.0.0.1")

    def _new_member_id(self) -> str:
        self._made_ids += 1
        return f"made-{self._made_ids}"

    def _perform(self, effects) -> None:
        pending = deque(effects)
        while pending:
            effect = pending.popleft()
            if not isinstance(effect, Append):
                assert effect.waiter not in self.answers, "a request was answered twice"
                self.answers[effect.waiter] = effect.response
            elif self.refuse is not None:
                code, self.refuse = self.refuse, None
                pending.extendleft(reversed(effect.refused(code)))
            else:
                self._write(effect.records)
                pending.extendleft(reversed(effect.written()))

    def _write(self, records) -> None:
        for record in records:
            self.log.append(encode_record(record))
            self.shard.replay(record, len(self.log) - 1)

    def written(self, since: int = 0) -> list[str]:
        """The kinds of records from a place in the log on; a tombstone has a minus in front."""
        kinds = []
        for key, value in self.log[since:]:
            record = decode_record(key, value)
            kind = type(record.key).__name__.removesuffix("Key").removeprefix("ConsumerGroup")
            kinds.append(kind if value is not None else f"-{kind}")
        return kinds

    # ---- what must hold at every moment

    def replayed_copy(self) -> GroupShard:
        copy = self._fresh_shard()
        for offset, (key, value) in enumerate(self.log):
            copy.replay(decode_record(key, value), offset)
        return copy

    def check(self) -> None:
        copy = self.replayed_copy()
        assert {name: durable(group) for name, group in copy.groups.items()} == {
            name: durable(group) for name, group in self.shard.groups.items()
        }
        for group in self.shard.groups.values():
            if isinstance(group, ConsumerGroup):
                check_owners(group)


def check_owners(group: ConsumerGroup) -> None:
    """No partition has two owners, and the group knows the epoch of each owner."""
    owners: dict[tuple[bytes, int], str] = {}
    for member in group.members.values():
        for owned in (member.assigned, member.revoking):
            for topic, partitions in owned.items():
                for partition in partitions:
                    other = owners.setdefault((topic, partition), member.member_id)
                    assert other == member.member_id, f"{partition} belongs to {other} and to {member.member_id}"
                    assert group.epoch_of(topic, partition) == member.epoch
    known = {(topic, partition) for topic, epochs in group.partition_epochs.items() for partition in epochs}
    assert known == set(owners)
    target_owners = {
        (topic, partition): member_id
        for member_id, target in group.targets.items()
        for topic, partitions in target.items()
        for partition in partitions
    }
    assert target_owners == {
        (topic, partition): member_id
        for topic, by_partition in group.target_owners.items()
        for partition, member_id in by_partition.items()
    }


def durable(group) -> object:
    """What of a group must survive."""
    if not isinstance(group, ConsumerGroup):
        return group.committed
    return (
        group.epoch,
        group.metadata_hash,
        group.assignment_epoch,
        group.assigned_ms,
        group.members,
        group.targets,
        group.static_member_ids,
        group.server_assignors,
        group.subscriptions.topics,
        group.subscriptions.members_by_regex,
        group.subscriptions.resolved,
        group.partition_epochs,
        group.classic_member_count,
        group.classic_protocols,
        group.has_old_metadata_record,
    )
