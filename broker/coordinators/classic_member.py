"""One member of a classic group: what it can speak, what it waits for, and when it is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.stored.classic_groups import GroupMetadataValue, MemberMetadata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ...protocol.messages.join_group import JoinGroupRequest
    from .group_effects import Caller, Waiter


class MemberProtocol(NamedTuple):
    """A protocol (an assignor, for consumers) that a member can speak, with the metadata it sends for it."""

    name: str
    metadata: bytes


class ClassicMember:
    """A member. Parked requests are waiter tokens; `session_deadline_ms` is monotonic, None while nothing runs."""

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "group_instance_id",
        "is_new",
        "join_waiter",
        "member_id",
        "protocol_type",
        "protocols",
        "rebalance_timeout_ms",
        "session_deadline_ms",
        "session_timeout_ms",
        "sync_waiter",
    )

    def __init__(
        self,
        *,
        member_id: str,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocol_type: str,
        protocols: tuple[MemberProtocol, ...],
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocol_type = protocol_type
        self.protocols = protocols
        self.assignment = assignment
        self.is_new = False
        """Has not had the answer to its first join: it cannot heartbeat yet, so waiting does not excuse it."""
        self.join_waiter: Waiter | None = None
        self.sync_waiter: Waiter | None = None
        self.session_deadline_ms: int | None = None

    @classmethod
    def joining(cls, member_id: str, request: JoinGroupRequest, caller: Caller) -> ClassicMember:
        """A member as its JoinGroup describes it."""
        return cls(
            member_id=member_id,
            group_instance_id=request.group_instance_id,
            client_id=caller.client_id,
            client_host=caller.client_host,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocol_type=request.protocol_type,
            protocols=requested_protocols(request),
        )

    @classmethod
    def stored(cls, stored: MemberMetadata, group: GroupMetadataValue) -> ClassicMember:
        """A member as a group record holds it; only the protocol that the group chose is known."""
        timeout_ms = stored.session_timeout if stored.rebalance_timeout == -1 else stored.rebalance_timeout
        return cls(
            member_id=stored.member_id,
            group_instance_id=stored.group_instance_id,
            client_id=stored.client_id,
            client_host=stored.client_host,
            rebalance_timeout_ms=timeout_ms,
            session_timeout_ms=stored.session_timeout,
            protocol_type=group.protocol_type,
            protocols=(MemberProtocol(group.protocol or "", stored.subscription),),
            assignment=stored.assignment,
        )

    def succeeded_by(self, member_id: str) -> ClassicMember:
        """This static member under a new member id, with nobody waiting."""
        return ClassicMember(
            member_id=member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            session_timeout_ms=self.session_timeout_ms,
            protocol_type=self.protocol_type,
            protocols=self.protocols,
            assignment=self.assignment,
        )

    @property
    def is_excused(self) -> bool:
        """Whether the end of the session is no failure: the member is parked by the coordinator itself."""
        return not self.is_new and (self.join_waiter is not None or self.sync_waiter is not None)

    def metadata(self, protocol: str | None) -> bytes:
        """What the member sent for the protocol; asking for one that it does not speak is a bug."""
        for name, metadata in self.protocols:
            if name == protocol:
                return metadata
        raise LookupError(f"member {self.member_id} does not speak {protocol!r}")

    def vote(self, candidates: Collection[str]) -> str:
        """The first protocol in the member's own order that is a candidate."""
        for name, _ in self.protocols:
            if name in candidates:
                return name
        raise LookupError(f"member {self.member_id} speaks none of {sorted(candidates)}")

    def to_record(self, protocol: str, assignment: bytes) -> MemberMetadata:
        """The member as a group record keeps it."""
        return MemberMetadata(
            member_id=self.member_id,
            group_instance_id=self.group_instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout=self.rebalance_timeout_ms,
            session_timeout=self.session_timeout_ms,
            subscription=self.metadata(protocol),
            assignment=assignment,
        )


def requested_protocols(request: JoinGroupRequest) -> tuple[MemberProtocol, ...]:
    """The protocols of a JoinGroup, in the member's order of preference."""
    return tuple(MemberProtocol(protocol.name, protocol.metadata) for protocol in request.protocols)


def select_protocol(members: Iterable[ClassicMember]) -> str:
    """Choose the protocol that most members vote for among those that all of them speak; ties go to the first voted."""
    electorate = list(members)
    candidates = set.intersection(*({name for name, _ in member.protocols} for member in electorate))
    votes: dict[str, int] = {}
    for member in electorate:
        choice = member.vote(candidates)
        votes[choice] = votes.get(choice, 0) + 1
    return max(votes, key=votes.__getitem__)
