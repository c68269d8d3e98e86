"""Scripts for the group coordinator: `play >> Join("a") >> Advance(ms=3000) << JoinReply("a", generation=1)`.

`>>` does something, `<<` expects the next thing that came of it. Nothing may come that is not expected: every `>>`
checks that all was told before. After each step all records written so far are replayed into a fresh shard, which must
then hold the same durable state.

Members go by a label, which is also their client id; the ids they are given are remembered for them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ottla.broker.coordinators.group_effects import Append, Caller, Moment
from ottla.broker.coordinators.group_records import decode_record, encode_record
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.broker.coordinators.group_shard import GroupShard
from ottla.broker.coordinators.offset_commits import OffsetToCommit
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.leave_group import MemberIdentity
from ottla.protocol.messages.offset_commit import OffsetCommitRequest
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from ottla.protocol.stored.classic_groups import GroupMetadataValue, OffsetCommitKey

GROUP = "g"
WALL_START_MS = 1_700_000_000_000
TOPIC_ID = b"topic-id-16bytes"


def subscription(*topics: str) -> bytes:
    """Consumer metadata of version 0 that subscribes to the topics."""
    names = b"".join(len(topic).to_bytes(2, "big") + topic.encode() for topic in topics)
    return b"\x00\x00" + len(topics).to_bytes(4, "big") + names + b"\xff\xff\xff\xff"


# ---- what happens to the group


@dataclass
class Join:
    label: str
    version: int = 3
    protocols: dict[str, bytes] = field(default_factory=lambda: {"range": subscription("t")})
    protocol_type: str = "consumer"
    session_ms: int = 10_000
    rebalance_ms: int = 60_000
    instance: str | None = None
    member_id: str | None = None


@dataclass
class Sync:
    label: str
    assignments: dict[str, bytes] = field(default_factory=dict)
    generation: int | None = None
    instance: str | None = None
    member_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None


@dataclass
class Beat:
    label: str
    generation: int | None = None
    instance: str | None = None
    member_id: str | None = None


@dataclass
class Leave:
    label: str
    instance: str | None = None
    member_id: str | None = None


@dataclass
class Commit:
    label: str | None = None
    offset: int = 0
    topic: str = "t"
    partition: int = 0
    generation: int | None = None
    instance: str | None = None
    version: int = 9
    retention_ms: int = -1


@dataclass
class DeleteGroup:
    pass


@dataclass
class DeleteOffset:
    topic: str = "t"
    partition: int = 0


@dataclass
class DeleteTopic:
    topic: str = "t"
    topic_id: bytes = TOPIC_ID


@dataclass
class CleanUp:
    pass


@dataclass
class Advance:
    ms: int


@dataclass
class Restart:
    """The broker is killed: only the records are left."""


@dataclass
class RefuseNextAppend:
    code: ErrorCode


# ---- what comes of it


@dataclass
class JoinReply:
    label: str
    generation: int = -1
    error: ErrorCode = ErrorCode.NONE
    leader: str | None = None
    members: tuple[str, ...] | None = None
    protocol: str | None = None
    skip_assignment: bool | None = None


@dataclass
class SyncReply:
    label: str
    assignment: bytes | None = None
    error: ErrorCode = ErrorCode.NONE


@dataclass
class Code:
    """The answer of everything that is never parked."""

    error: ErrorCode = ErrorCode.NONE


@dataclass
class Wrote:
    """A group record."""

    generation: int
    members: tuple[str, ...] | None = None
    leader: str | None = None


@dataclass
class WroteOffset:
    offset: int | None
    topic: str = "t"
    partition: int = 0


@dataclass
class WroteEnd:
    """A group's tombstone."""


class Playbook:
    """One shard with one group, its log in a list, and a clock that stands still."""

    def __init__(self, settings: GroupSettings | None = None) -> None:
        self.settings = settings or GroupSettings(session_timeout_min_ms=1)
        self.shard = GroupShard(self.settings)
        self.log: list[tuple[bytes, bytes | None]] = []
        self.now = Moment(0, WALL_START_MS)
        self.seen: deque[object] = deque()
        self.ids: dict[str, str] = {}
        self.generations: dict[str, int] = {}
        self._waiting: dict[int, str] = {}
        self._waiters = 0
        self._made_ids = 0
        self._refuse: ErrorCode | None = None

    @property
    def group(self):
        return self.shard.groups[GROUP]

    @property
    def state(self) -> str:
        return self.group.state.value

    def __rshift__(self, action: object) -> Playbook:
        assert not self.seen, f"not expected: {list(self.seen)}"
        getattr(self, "_do_" + type(action).__name__.lower())(action)
        self.check_replayed_copy()
        return self

    def __lshift__(self, expected: object) -> Playbook:
        assert self.seen, f"nothing came, but expected {expected}"
        seen = self.seen.popleft()
        assert type(seen) is type(expected), f"{seen} came, but expected {expected}"
        for name, value in vars(expected).items():
            if value is not None or name in ("offset", "error"):
                assert getattr(seen, name) == value, f"{seen} came, but expected {expected}"
        return self

    def done(self) -> None:
        assert not self.seen, f"not expected: {list(self.seen)}"

    # ---- actions

    def _member_id(self, action) -> str:
        return self.ids.get(action.label, "") if action.member_id is None else action.member_id

    def _generation(self, action) -> int:
        return self.generations.get(action.label, -1) if action.generation is None else action.generation

    def _caller(self, action, version: int) -> Caller:
        self._waiters += 1
        self._waiting[self._waiters] = action.label
        return Caller(self._waiters, version, action.label, "/127.0.0.1")

    def _new_member_id(self) -> str:
        self._made_ids += 1
        return str(self._made_ids)

    def _do_join(self, action: Join) -> None:
        request = JoinGroupRequest(
            group_id=GROUP,
            session_timeout_ms=action.session_ms,
            rebalance_timeout_ms=action.rebalance_ms,
            member_id=self._member_id(action),
            group_instance_id=action.instance,
            protocol_type=action.protocol_type,
            protocols=[JoinGroupRequestProtocol(name=n, metadata=m) for n, m in action.protocols.items()],
        )
        self._perform(self.shard.join(request, self._caller(action, action.version), self._new_member_id, self.now))

    def _do_sync(self, action: Sync) -> None:
        request = SyncGroupRequest(
            group_id=GROUP,
            generation_id=self._generation(action),
            member_id=self._member_id(action),
            group_instance_id=action.instance,
            protocol_type=action.protocol_type,
            protocol_name=action.protocol_name,
            assignments=[
                SyncGroupRequestAssignment(member_id=self.ids.get(label, label), assignment=assignment)
                for label, assignment in action.assignments.items()
            ],
        )
        self._perform(self.shard.sync(request, self._caller(action, 5), self.now))

    def _do_beat(self, action: Beat) -> None:
        request = HeartbeatRequest(
            group_id=GROUP,
            generation_id=self._generation(action),
            member_id=self._member_id(action),
            group_instance_id=action.instance,
        )
        self.seen.append(Code(self.shard.heartbeat(request, self.now)))

    def _do_leave(self, action: Leave) -> None:
        identity = MemberIdentity(member_id=self._member_id(action), group_instance_id=action.instance)
        responses, effects = self.shard.leave(GROUP, [identity], self.now)
        self.seen.extend(Code(ErrorCode(response.error_code)) for response in responses)
        self._perform(effects)

    def _do_commit(self, action: Commit) -> None:
        request = OffsetCommitRequest(
            group_id=GROUP,
            generation_id_or_member_epoch=-1 if action.label is None else self._generation(action),
            member_id="" if action.label is None else self.ids.get(action.label, action.label),
            group_instance_id=action.instance,
            retention_time_ms=action.retention_ms,
        )
        commit = OffsetToCommit(action.topic, TOPIC_ID, action.partition, action.offset, 7, "meta")
        self._decided(self.shard.commit(request, [commit], action.version, self.now))

    def _do_deletegroup(self, _: DeleteGroup) -> None:
        self._decided(self.shard.delete_group(GROUP))

    def _do_deleteoffset(self, action: DeleteOffset) -> None:
        code = self.shard.check_offset_delete(GROUP)
        if code is not ErrorCode.NONE:
            self.seen.append(Code(code))
        else:
            self._decided(self.shard.delete_offset(GROUP, action.topic, action.partition))

    def _do_deletetopic(self, action: DeleteTopic) -> None:
        self._perform(self.shard.delete_topic_offsets(action.topic, action.topic_id))

    def _do_cleanup(self, _: CleanUp) -> None:
        self._perform(self.shard.clean_up(self.now))

    def _do_advance(self, action: Advance) -> None:
        """Let time pass, stopping at every deadline on the way."""
        end_ms = self.now.monotonic_ms + action.ms
        while (due_ms := self._next_deadline_ms()) is not None and due_ms <= end_ms:
            self._set_clock(max(due_ms, self.now.monotonic_ms))
            self._perform(self.group.expire(self.now))
        self._set_clock(end_ms)

    def _next_deadline_ms(self) -> int | None:
        group = self.shard.groups.get(GROUP)
        return None if group is None else group.next_deadline_ms

    def _set_clock(self, monotonic_ms: int) -> None:
        self.now = Moment(monotonic_ms, WALL_START_MS + monotonic_ms)

    def _do_restart(self, _: Restart) -> None:
        self._waiting.clear()
        self.shard = self.replayed_copy()
        self._perform(self.shard.resume(self.now))

    def _do_refusenextappend(self, action: RefuseNextAppend) -> None:
        self._refuse = action.code

    # ---- the runtime's part

    def _decided(self, decision) -> None:
        code = decision.code
        if decision.records and not self._refused():
            self._write(decision.records)
        elif decision.records:
            code = ErrorCode.NOT_COORDINATOR
        self.seen.append(Code(code))

    def _perform(self, effects) -> None:
        pending = deque(effects)
        while pending:
            effect = pending.popleft()
            if not isinstance(effect, Append):
                self._answer(effect)
                continue
            code = self._refused()
            if code:
                pending.extendleft(reversed(effect.refused(code)))
            else:
                self._write(effect.records)
                pending.extendleft(reversed(effect.written()))

    def _refused(self) -> ErrorCode | None:
        code, self._refuse = self._refuse, None
        return code

    def _write(self, records) -> None:
        for record in records:
            self.log.append(encode_record(record))
            self.shard.replay(record, len(self.log) - 1)
            self.seen.append(self._written(record))

    def _written(self, record) -> object:
        if isinstance(record.key, OffsetCommitKey):
            offset = None if record.value is None else record.value.offset
            return WroteOffset(offset, record.key.topic, record.key.partition)
        if record.value is None:
            return WroteEnd()
        labels = tuple(sorted(self._label(member.member_id) for member in record.value.members))
        leader = None if record.value.leader is None else self._label(record.value.leader)
        return Wrote(record.value.generation, labels, leader)

    def _label(self, member_id: str) -> str:
        known = [label for label, known_id in self.ids.items() if known_id == member_id]
        return known[0] if known else member_id

    def _answer(self, reply) -> None:
        label = self._waiting.pop(reply.waiter)  # a second answer to the same request fails here
        response = reply.response
        error = ErrorCode(response.error_code)
        if not isinstance(response, JoinGroupResponse):
            self.seen.append(SyncReply(label, response.assignment, error))
            return
        if response.member_id and error in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            self.ids[label] = response.member_id
        if error is ErrorCode.NONE:
            self.generations[label] = response.generation_id
        self.seen.append(
            JoinReply(
                label,
                response.generation_id,
                error,
                self._label(response.leader),
                tuple(self._label(member.member_id) for member in response.members),
                response.protocol_name,
                response.skip_assignment,
            )
        )

    # ---- the check behind every step

    def replayed_copy(self) -> GroupShard:
        copy = GroupShard(self.settings)
        for offset, (key, value) in enumerate(self.log):
            copy.replay(decode_record(key, value), offset)
        return copy

    def check_replayed_copy(self) -> None:
        copy = self.replayed_copy()
        assert copy.offsets.snapshot() == self.shard.offsets.snapshot()
        assert durable(copy) == durable(self.shard)

    @property
    def parked(self) -> set[str]:
        """Labels with a request that has not been answered."""
        return set(self._waiting.values())


def durable(shard: GroupShard) -> dict[str, GroupMetadataValue | None]:
    """What of a shard's groups must survive."""
    return {group_id: group.committed for group_id, group in shard.groups.items()}
