"""Members of a classic group, each with a connection of its own: what they ask may be answered much later.

`begin_join` and `begin_sync` ask, `joined` and `synced` read the answer; between them the others have their turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from ..harness.raw_client import RawClient, request_frame

if TYPE_CHECKING:
    from .group_script import GroupScript

JOIN_VERSION = 9
SYNC_VERSION = 5
REBALANCE_IN_PROGRESS = 27


class ClassicMember:
    """What a member knows: its id, and the generation that it is in."""

    def __init__(self, script: GroupScript, instance: str | None = None) -> None:
        self.script = script
        self.instance = instance
        self.member_id = ""
        self.generation = -1
        self._client = RawClient(script.broker)

    def close(self) -> None:
        self._client.socket.close()

    def begin_join(self, protocols: dict[str, bytes], *, session_ms: int = 30_000, version: int = JOIN_VERSION) -> None:
        request = JoinGroupRequest(
            group_id=self.script.group,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=60_000,
            member_id=self.member_id,
            group_instance_id=self.instance,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols.items()],
        )
        self._client.send(request_frame(request, version))

    def joined(self, version: int = JOIN_VERSION) -> JoinGroupResponse:
        """Read the answer, and put it down: who leads, and whom the leader is told of."""
        _, answer = self._client.read_response(JoinGroupRequest, JoinGroupResponse, version)
        if answer.member_id:
            self.member_id = answer.member_id
        self.generation = answer.generation_id
        script = self.script
        told = sorted(
            (script.letter(member.member_id), member.group_instance_id, bytes(member.metadata))
            for member in answer.members
        )
        script.seen.append(
            (
                "joined",
                answer.error_code,
                answer.member_id and script.letter(answer.member_id),
                answer.generation_id,
                answer.protocol_type,
                answer.protocol_name,
                answer.leader and script.letter(answer.leader),
                told,
                answer.skip_assignment,
            )
        )
        return answer

    def join(self, protocols: dict[str, bytes]) -> None:
        """Join where nobody has to be waited for; a new member is given its id first."""
        self.begin_join(protocols)
        if self.joined().error_code == 79:
            self.begin_join(protocols)
            self.joined()

    def become_known(self, protocols: dict[str, bytes]) -> None:
        """Get an id, and no more."""
        self.begin_join(protocols)
        self.joined()

    def begin_sync(self, assignments: dict[str, bytes] | None = None) -> None:
        given = [
            SyncGroupRequestAssignment(member_id=who, assignment=what) for who, what in (assignments or {}).items()
        ]
        request = SyncGroupRequest(
            group_id=self.script.group,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance,
            protocol_type="consumer",
            protocol_name="range",
            assignments=given,
        )
        self._client.send(request_frame(request, SYNC_VERSION))

    def synced(self) -> None:
        _, answer = self._client.read_response(SyncGroupRequest, SyncGroupResponse, SYNC_VERSION)
        self.script.seen.append(
            ("synced", answer.error_code, answer.protocol_type, answer.protocol_name, bytes(answer.assignment))
        )

    def sync(self, assignments: dict[str, bytes] | None = None) -> None:
        self.begin_sync(assignments)
        self.synced()

    def beat(self, generation: int | None = None) -> int:
        generation = self.generation if generation is None else generation
        return self.script.classic_beat(self.script.group, self.member_id, generation, self.instance)

    def beat_until_rebalance(self) -> None:
        """Until the coordinator has seen what another connection sent; only the last answer is put down."""
        while self.beat() != REBALANCE_IN_PROGRESS:
            self.script.seen.pop()

    def commit(self, offset: int, generation: int | None = None, version: int = 9) -> None:
        generation = self.generation if generation is None else generation
        script = self.script
        script.commit(script.group, self.member_id, generation, "c", 0, offset, version, self.instance)

    def leave(self) -> None:
        self.script.classic_leave(self.script.group, (self.member_id, self.instance))


def two_members(s: GroupScript) -> None:
    s.topic("c", 2)
    range_only = {"range": b"\x00\x00\x00\x00\x00\x01\x00\x01c\xff\xff\xff\xff"}
    both = {"sticky": b"s", **range_only}
    a, b = ClassicMember(s), ClassicMember(s)
    a.join(both)
    a.sync({a.member_id: b"A1"})
    s.describe_classic(s.group)
    b.become_known(range_only)
    a.beat()
    b.begin_join(range_only)
    a.beat_until_rebalance()
    a.commit(1)
    s.describe_classic(s.group)
    a.sync()
    a.begin_join(both)
    a.joined()
    b.joined()
    a.beat()
    a.commit(2)
    b.begin_sync()
    a.begin_sync({a.member_id: b"A2", b.member_id: b"B2", "ghost": b"G"})
    a.synced()
    b.synced()
    b.sync()
    for generation in (None, 1, 7, -1):
        b.beat(generation)
        b.commit(3, generation)
    b.begin_join(range_only)
    b.joined()
    s.describe_classic(s.group, version=4)
    s.describe_classic(s.group)
    s.list(states=["Stable"], types=["classic"])
    s.delete_group(s.group)
    s.delete_offset(s.group, "c", 0)
    b.begin_join({"range": b"\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"})
    a.beat_until_rebalance()
    a.leave()
    b.joined()
    a.beat()
    b.sync({b.member_id: b"B3"})
    b.begin_join({"other": b"o"})
    b.joined()
    b.sync({b.member_id: b"B4"})
    b.leave()
    b.leave()
    s.describe_classic(s.group)
    s.delete_offset(s.group, "c", 0)
    s.fetch(s.group, None, -1, "c", 0)
    s.delete_group(s.group)
    s.describe_classic(s.group)
    s.describe_classic(s.group, version=5)
    for member in (a, b):
        member.close()


def static_members(s: GroupScript) -> None:
    s.topic("c", 2)
    protocols = {"range": b"\x00\x00\x00\x00\x00\x01\x00\x01c\xff\xff\xff\xff"}
    a, b = ClassicMember(s, "ia"), ClassicMember(s, "ib")
    a.join(protocols)
    a.sync({a.member_id: b"A1"})
    b.begin_join(protocols)
    a.beat_until_rebalance()
    a.begin_join(protocols)
    a.joined()
    b.joined()
    b.begin_sync()
    a.sync({a.member_id: b"A2", b.member_id: b"B2"})
    b.synced()
    back = ClassicMember(s, "ib")
    back.join(protocols)
    back.sync()
    b.beat()
    b.commit(1)
    b.sync()
    b.begin_join(protocols)
    b.joined()
    back.beat()
    back.commit(2)
    leader = ClassicMember(s, "ia")
    leader.begin_join(protocols, version=8)
    leader.joined(version=8)
    leader.beat()
    a.beat()
    newest = ClassicMember(s, "ia")
    newest.join(protocols)
    newest.sync()
    changed = ClassicMember(s, "ib")
    changed.begin_join({"other": b"o"})
    changed.joined()
    s.classic_leave(s.group, ("", "nobody"), ("wrong", "ib"), ("", "ib"))
    newest.beat_until_rebalance()
    newest.begin_join(protocols)
    newest.joined()
    s.describe_classic(s.group)
    newest.leave()
    s.describe_classic(s.group)
    for member in (a, b, back, leader, newest, changed):
        member.close()
