"""What the request that is handled now wrote, and must not be told of before it is on the disk.

Most logs acknowledge what the operating system has taken. One that syncs each record (the metadata, a topic with
`flush.messages`) commits later, and a handler that answers at once would be too early: its answer is held back here.
When the disk fails instead, the connection ends, since the client must not take the change for made; it asks again.
Kafka: a write event of the coordinators and of the controller, completed when the high watermark has passed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ..request import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..request import ConnectionInfo

Told: TypeAlias = "Callable[[OSError | None], None]"


class CommitBarrier:
    """Collects what one request must wait for."""

    __slots__ = ("pending",)

    def __init__(self) -> None:
        self.pending: list[Callable[[Told], None]] = []
        """Each calls back once, when one of the request's writes is committed or cannot be."""

    def hold(self, answer: Any, connection: ConnectionInfo) -> Any:
        """The answer for when everything that is pending is committed; None stays None, since nobody waits for it."""
        pending, self.pending = self.pending, []
        if answer is None:
            return None
        held = _HeldAnswer(len(pending) + 1, connection)
        for when_committed in pending:
            when_committed(held.committed)
        if isinstance(answer, Deferred):
            held.deferred.on_abandon = answer.abandon
            answer.when_complete(held.answered)
        else:
            held.answered(answer)
        return held.deferred


class _HeldAnswer:
    """One answer, and how many things it still waits for."""

    __slots__ = ("_answer", "_connection", "_missing", "deferred")

    def __init__(self, missing: int, connection: ConnectionInfo) -> None:
        self._missing = missing
        self._connection = connection
        self._answer: Any = None
        self.deferred: Deferred[Any] = Deferred()

    def answered(self, answer: Any) -> None:
        self._answer = answer
        self.committed(None)

    def committed(self, error: OSError | None) -> None:
        if error is not None:
            self._connection.close(f"a change could not be brought to the disk: {error}")
            return
        self._missing -= 1
        if not self._missing:
            self.deferred.complete(self._answer)
