"""What the request that is handled now wrote, and must not be told of before it is on the disk.

Most logs acknowledge what the operating system has taken. One that syncs each record (the metadata, a topic with
`flush.messages`) commits later, and a handler that answers at once would be too early: its answer is held back here.
The same goes for a second write that is only right when the first one lasts.
When the disk fails instead, the connection ends, since the client must not take the change for made; it asks again.
Kafka: a write event of the coordinators and of the controller, completed when the high watermark has passed it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..request import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..request import ConnectionInfo
    from .partitions import Partition

Told: TypeAlias = "Callable[[OSError | None], None]"


class CommitBarrier:
    """Collects what one request must wait for."""

    __slots__ = ("pending",)

    def __init__(self) -> None:
        self.pending: list[Callable[[Told], None]] = []
        """Each calls back once, when one of the request's writes is committed or cannot be."""

    def hold(self, answer: Any, connection: ConnectionInfo) -> Any:
        """The answer for when everything that is pending is committed; None stays None, since nobody waits for it."""
        if answer is None:
            self.pending = []
            return None
        held: Deferred[Any] = Deferred()
        if isinstance(answer, Deferred):
            held.on_abandon = answer.abandon
        self._when_committed(partial(_complete, held, answer), connection)
        return held

    def wait_for(self, partition: Partition) -> None:
        """Let the request wait until all that a partition holds now is committed."""
        if not partition.is_committed:
            self.pending.append(partial(partition.when_committed, partition.log.log_end_offset))

    def then(self, act: Callable[[], Any], connection: ConnectionInfo) -> Any:
        """What `act` answers, held back for what it wrote; while something is pending it acts when that is committed.

        It must answer something.
        """

        def answer() -> Any:
            answered = act()
            return self.hold(answered, connection) if self.pending else answered

        if not self.pending:
            return answer()
        deferred: Deferred[Any] = Deferred()
        self._when_committed(lambda: _complete(deferred, answer()), connection)
        return deferred

    def _when_committed(self, go_on: Callable[[], None], connection: ConnectionInfo) -> None:
        pending, self.pending = self.pending, []
        missing = len(pending)

        def told(error: OSError | None) -> None:
            nonlocal missing
            if error is not None:
                connection.close(f"a change could not be brought to the disk: {error}")
                return
            missing -= 1
            if not missing:
                go_on()

        for when_committed in pending:
            when_committed(told)


def _complete(deferred: Deferred[Any], answer: Any) -> None:
    if isinstance(answer, Deferred):
        answer.when_complete(deferred.complete)
    else:
        deferred.complete(answer)
