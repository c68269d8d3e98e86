"""Consumer groups: what a heartbeat and a commit cost. Each connection is the only member of a group."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from .. import topics, wire
from ..coordinators import GROUP, NOT_YET, await_coordinator
from ..workload import Limit, NotDone, Sample, Stopwatch, Target, Workload
from .produce import request_sample

if TYPE_CHECKING:
    from ...broker_process import Connection

_JOIN_VERSION, _SYNC_VERSION, _HEARTBEAT_VERSION, _COMMIT_VERSION = 7, 5, 4, 8
_HEARTBEAT_ERROR_AT = 13
_COORDINATOR_TIMEOUT_S = 60
_SESSION_TIMEOUT_MS = 30_000
_WARM_UP_PART = 10


class Member(NamedTuple):
    """The only member of its group."""

    group: str
    member_id: str
    generation: int


@dataclass(frozen=True)
class GroupRequests(Workload):
    """One request a connection under way; `api` is heartbeat or commit (of one partition)."""

    subject: ClassVar[str] = "groups"
    sized_by: ClassVar[str] = "requests"
    api: str = "heartbeat"
    groups: int = 8
    requests: int = 40_000

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic)

    def measure(self, target: Target) -> Sample:
        asked = [self._asking(target, f"{self.topic}-{at}-{time.time_ns()}") for at in range(self.groups)]
        loop = wire.ClosedLoop(target.port, asked, 1)
        loop.run(self.requests // _WARM_UP_PART)
        with Stopwatch(target) as watch:
            taken_s = loop.run(self.requests)
        loop.close()
        return request_sample(watch, taken_s)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)

    def _asking(self, target: Target, group: str) -> wire.Asking:
        await_coordinator(target, group, GROUP)
        with topics.asking(target) as connection:
            member = join(connection, group)
        if self.api == "heartbeat":
            request = HeartbeatRequest(group_id=group, generation_id=member.generation, member_id=member.member_id)
            return wire.Asking(wire.always(wire.frame_of(request, _HEARTBEAT_VERSION)), _HEARTBEAT_ERROR_AT)
        return wire.Asking(wire.always(_commit_frame(member, self.topic)), _commit_error_at(self.topic))


def _commit_frame(member: Member, topic: str) -> bytes:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=7, committed_metadata="")
    request = OffsetCommitRequest(
        group_id=member.group,
        generation_id_or_member_epoch=member.generation,
        member_id=member.member_id,
        topics=[OffsetCommitRequestTopic(name=topic, partitions=[partition])],
    )
    return wire.frame_of(request, _COMMIT_VERSION)


def _commit_error_at(topic: str) -> int:
    """Behind length, correlation id, tags, throttle time, and the counts and the name before the partition."""
    return 9 + 4 + 1 + 1 + len(topic) + 1 + 4


def join(connection: Connection, group: str) -> Member:
    """Become the member; the broker gives the member id first."""
    member_id = ""
    deadline = time.monotonic() + _COORDINATOR_TIMEOUT_S
    while time.monotonic() < deadline:
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=_SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=_SESSION_TIMEOUT_MS,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
        joined = connection.ask(request, JoinGroupResponse, _JOIN_VERSION)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            member_id = joined.member_id
        elif joined.error_code in NOT_YET:
            time.sleep(0.05)
        elif joined.error_code:
            raise NotDone(f"a member could not join: {joined.error_code}")
        else:
            return _synced(connection, Member(group, joined.member_id, joined.generation_id))
    raise NotDone("there is no coordinator")


def _synced(connection: Connection, member: Member) -> Member:
    request = SyncGroupRequest(
        group_id=member.group,
        generation_id=member.generation,
        member_id=member.member_id,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[SyncGroupRequestAssignment(member_id=member.member_id, assignment=b"")],
    )
    synced = connection.ask(request, SyncGroupResponse, _SYNC_VERSION)
    if synced.error_code:
        raise NotDone(f"a member could not sync: {synced.error_code}")
    return member


def rows(quick: bool) -> list[Workload]:
    """Heartbeat and commit."""
    limits = {"CPU us/request": Limit(kafka=0.5, kfake=1.0)}
    requests = 10_000 if quick else 25_000
    return [
        GroupRequests("heartbeat", limits, api="heartbeat", requests=requests),
        GroupRequests("commit of one offset", limits, api="commit", requests=requests),
    ]
