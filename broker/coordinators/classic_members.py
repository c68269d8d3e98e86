"""Who is in a classic group: members, static members, those about to join, the leader, and the protocols they share.

Every member is at most in one of two places: pending (it was given an id and has not joined with it) or a member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .classic_member import ClassicMember, MemberProtocol
    from .group_effects import Waiter

# To look a member up in its enum takes 0.1 µs, and each heartbeat and commit asks.
_NONE: Final = ErrorCode.NONE


class ClassicMembers:
    """The membership of one group, with the counts that decisions need without walking over all members."""

    __slots__ = ("_by_id", "_speakers", "_static_ids", "awaiting_join", "leader_id", "pending", "pending_sync")

    def __init__(self) -> None:
        self._by_id: dict[str, ClassicMember] = {}
        self._static_ids: dict[str, str] = {}
        self._speakers: dict[str, int] = {}
        self.leader_id: str | None = None
        self.awaiting_join = 0
        """How many members have a parked JoinGroup."""
        self.pending: dict[str, int] = {}
        """Deadlines (monotonic ms) of ids that were given out and not used yet."""
        self.pending_sync: set[str] = set()
        """Members that have the generation and have not sent SyncGroup."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[ClassicMember]:
        return iter(self._by_id.values())

    def __contains__(self, member_id: object) -> bool:
        return member_id in self._by_id

    def get(self, member_id: str) -> ClassicMember | None:
        """The member of that id, if there is one."""
        return self._by_id.get(member_id)

    def __getitem__(self, member_id: str) -> ClassicMember:
        return self._by_id[member_id]

    def static_member_id(self, group_instance_id: str) -> str | None:
        """The member id that a static member has now."""
        return self._static_ids.get(group_instance_id)

    def check(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """Whether such a member is here; a static one whose id was replaced is fenced."""
        if group_instance_id is not None:
            known_id = self._static_ids.get(group_instance_id)
            if known_id is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if known_id != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return _NONE if member_id in self._by_id else ErrorCode.UNKNOWN_MEMBER_ID

    @property
    def have_all_joined(self) -> bool:
        """Whether nobody else is expected: every member is parked and no id is outstanding."""
        return len(self._by_id) == self.awaiting_join and not self.pending

    def rebalance_timeout_ms(self) -> int:
        """The longest that any member may take to rejoin."""
        return max((member.rebalance_timeout_ms for member in self), default=0)

    def all_speak_one_of(self, names: Iterable[str]) -> bool:
        """Whether some of these protocols is spoken by every member."""
        return any(self._speakers.get(name, 0) == len(self._by_id) for name in names)

    def add(self, member: ClassicMember) -> None:
        """Take a member in; the first one leads."""
        if member.group_instance_id is not None:
            if member.group_instance_id in self._static_ids:
                raise ValueError(f"static member {member.group_instance_id} is in the group already")
            self._static_ids[member.group_instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id
        self._by_id[member.member_id] = member
        self._count(member, 1)
        self.pending.pop(member.member_id, None)

    def remove(self, member_id: str) -> None:
        """Let a member or a pending id go; when it led, the one who is here longest leads."""
        member = self._by_id.pop(member_id, None)
        if member is not None:
            self._count(member, -1)
            if member.group_instance_id is not None:
                del self._static_ids[member.group_instance_id]
        if self.leader_id == member_id:
            self.leader_id = next(iter(self._by_id), None)
        self.pending.pop(member_id, None)
        self.pending_sync.discard(member_id)

    def replace_all(self, members: Iterable[ClassicMember], leader_id: str | None) -> None:
        """Take over the members of a group record, which also names the leader."""
        self._by_id = {}
        self._static_ids = {}
        self._speakers = {}
        self.awaiting_join = 0
        for member in members:
            self.add(member)
        self.leader_id = leader_id
        self.pending_sync &= self._by_id.keys()

    def replace_static(self, old_id: str, successor: ClassicMember) -> None:
        """Put the successor of a static member in its place, leadership included."""
        was_leader = self.leader_id == old_id
        self.remove(old_id)
        self.add(successor)
        if was_leader:
            self.leader_id = successor.member_id

    def change_protocols(self, member: ClassicMember, protocols: tuple[MemberProtocol, ...]) -> None:
        """Take over what a member says it speaks now."""
        self._count(member, -1, keep_waiting=True)
        member.protocols = protocols
        self._count(member, 1, keep_waiting=True)

    def park_join(self, member: ClassicMember, waiter: Waiter) -> Waiter | None:
        """Let a member wait for the next generation; return the waiter that this one takes the place of."""
        previous = member.join_waiter
        member.join_waiter = waiter
        self.awaiting_join += previous is None
        return previous

    def unpark_join(self, member: ClassicMember) -> Waiter | None:
        """Take a member's parked JoinGroup off it, to be answered."""
        waiter, member.join_waiter = member.join_waiter, None
        self.awaiting_join -= waiter is not None
        return waiter

    def elect_joined_leader(self) -> bool:
        """See that the leader is one who has rejoined; False when nobody has."""
        leader = None if self.leader_id is None else self._by_id.get(self.leader_id)
        if leader is not None and leader.join_waiter is not None:
            return True
        joined = next((member.member_id for member in self if member.join_waiter is not None), None)
        if joined is None:
            return False
        self.leader_id = joined
        return True

    def _count(self, member: ClassicMember, step: int, *, keep_waiting: bool = False) -> None:
        if member.join_waiter is not None and not keep_waiting:
            self.awaiting_join += step
        for name in {name for name, _ in member.protocols}:
            speakers = self._speakers.get(name, 0) + step
            if speakers:
                self._speakers[name] = speakers
            else:
                del self._speakers[name]
