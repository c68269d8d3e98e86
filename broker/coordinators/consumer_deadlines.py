"""The deadlines of a consumer group's members, by member id, in monotonic milliseconds.

All are volatile: sessions begin again after a load.
"""

from __future__ import annotations

from enum import Enum


class DeadlineKind(Enum):
    """What a member is taken out of the group for; the value says it in a log line."""

    SESSION = "it was silent for longer than its session"
    REBALANCE = "it did not give up its partitions in time"
    JOIN = "it did not join again in time"
    SYNC = "it did not fetch its assignment in time"


class ConsumerDeadlines:
    """Set, cleared and collected; `next_ms` is no later than any of them, and may be stale on the early side."""

    __slots__ = ("_by_kind", "_sessions", "next_ms")

    def __init__(self) -> None:
        self._sessions: dict[str, int] = {}
        self._by_kind: dict[DeadlineKind, dict[str, tuple[int, int]]] = {}
        self.next_ms: int | None = None

    def extend_session(self, member_id: str, deadline_ms: int) -> None:
        """Let the member's session end then."""
        self._sessions[member_id] = deadline_ms
        if self.next_ms is None or deadline_ms < self.next_ms:
            self.next_ms = deadline_ms

    def set(self, kind: DeadlineKind, member_id: str, deadline_ms: int, member_epoch: int = 0) -> None:
        """Set a deadline; a rebalance's counts only while the member is in `member_epoch`."""
        self._by_kind.setdefault(kind, {})[member_id] = deadline_ms, member_epoch
        if self.next_ms is None or deadline_ms < self.next_ms:
            self.next_ms = deadline_ms

    def set_if_absent(self, kind: DeadlineKind, member_id: str, deadline_ms: int) -> None:
        """Set a deadline unless there is one."""
        if member_id not in self._by_kind.get(kind, {}):
            self.set(kind, member_id, deadline_ms)

    def clear(self, kind: DeadlineKind, member_id: str) -> None:
        """The member has done in time what it had to do."""
        if self._by_kind:
            self._by_kind.get(kind, {}).pop(member_id, None)

    def forget(self, member_id: str) -> None:
        """The member is gone."""
        self._sessions.pop(member_id, None)
        for deadlines in self._by_kind.values():
            deadlines.pop(member_id, None)

    def take_due(self, now_ms: int) -> list[tuple[int, str, DeadlineKind, int]]:
        """Take what is due off, earliest first: time, member, kind, and the epoch that a rebalance's deadline has."""
        due = [
            (deadline_ms, member_id, DeadlineKind.SESSION, 0)
            for member_id, deadline_ms in self._sessions.items()
            if deadline_ms <= now_ms
        ]
        for _, member_id, _, _ in due:
            del self._sessions[member_id]
        for kind, deadlines in self._by_kind.items():
            taken = [(member_id, *found) for member_id, found in deadlines.items() if found[0] <= now_ms]
            for member_id, deadline_ms, epoch in taken:
                del deadlines[member_id]
                due.append((deadline_ms, member_id, kind, epoch))
        self.next_ms = self._earliest()
        return sorted(due, key=lambda one: one[:2])

    def _earliest(self) -> int | None:
        earliest = min(self._sessions.values(), default=None)
        for deadlines in self._by_kind.values():
            for deadline_ms, _ in deadlines.values():
                if earliest is None or deadline_ms < earliest:
                    earliest = deadline_ms
        return earliest
