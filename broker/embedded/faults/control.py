"""`broker.faults`: what goes wrong on demand, and what it has hit.

    with broker.faults.error("Produce", "NOT_LEADER_OR_FOLLOWER", topic="orders", times=2) as fault:
        ...
    assert fault.hits == 2

Each function puts a fault in force at once and returns it: it ends with the `with` block, with `remove()`, after
`times=`, after `seconds=`, with `clear()` and with the broker's `reset()`. Faults are for clients: what a test does
through the broker object itself is spared, but for a full disk.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, Unpack

from ..errors import InvalidOption, NotRunning
from .crash import crash
from .fault import OF_THE_BROKER, Fault, FaultKind
from .handlers import FaultyHandlers
from .leader_epochs import check_topic, move_leader_epoch
from .rules import RuleBook

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ..observed_broker import ObservedBroker
    from ..running import Running
    from .fault import Apis, Code, Where
    from .rules import FaultHit, Rule

T = TypeVar("T")

_SHOWN_HITS: Final = 10


class ActiveFault:
    """A fault in force, until `remove` or the end of its `with` block."""

    def __init__(self, rule: Rule, remove: Callable[[Rule], None]) -> None:
        self._rule = rule
        self._remove = remove

    @property
    def fault(self) -> Fault:
        """What goes wrong."""
        return self._rule.fault

    @property
    def hits(self) -> int:
        """How many requests it has hit."""
        return self._rule.hits

    @property
    def is_over(self) -> bool:
        """Whether it will hit nothing more."""
        return self._rule.is_over

    def remove(self) -> None:
        """End it; harmless when it has ended before, and when the broker is stopped."""
        self._remove(self._rule)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<{self.fault}: {self.hits} hits{', over' if self.is_over else ''}>"


class Faults:
    """The faults of one broker. All of it may be called from any thread."""

    def __init__(self, here: Callable[[], Running]) -> None:
        """`here` gives what runs; it raises NotRunning while nothing does."""
        self._here = here
        self._book = RuleBook()

    # Putting faults in force

    def add(self, fault: Fault) -> ActiveFault:
        """Put a fault in force. Raises InvalidOption, for a topic or partition that is not there."""
        return self.add_to(self._here(), fault)

    def add_to(self, running: Running, fault: Fault) -> ActiveFault:
        """The same for a broker that is about to have started."""
        if not isinstance(fault, Fault):
            raise InvalidOption(f"{fault!r} is no fault; make one with Fault.error(...) or its likes")
        if fault.kind is FaultKind.FREEZE:
            running.thread.check_awake()
        return running.thread.call(partial(self._add, running, fault))

    def error(
        self, api: Apis, code: Code, *, at: str | None = None, acting: bool = False, **where: Unpack[Where]
    ) -> ActiveFault:
        """Answer an error code. This and what follows is as in `Fault`, and in force at once."""
        return self.add(Fault.error(api, code, at=at, acting=acting, **where))

    def coordinator_unavailable(self, **where: Unpack[Where]) -> ActiveFault:
        """Be no coordinator of a group, of a transactional id, or of anything."""
        return self.add(Fault.coordinator_unavailable(**where))

    def delay(self, api: Apis, delay_seconds: float, **where: Unpack[Where]) -> ActiveFault:
        """Act, and answer so many seconds later."""
        return self.add(Fault.delay(api, delay_seconds, **where))

    def throttle(self, bytes_per_second: int, api: Apis = None, **where: Unpack[Where]) -> ActiveFault:
        """Let requests and answers take as long as a line of that speed would."""
        return self.add(Fault.throttle(bytes_per_second, api, **where))

    def disconnect(self, api: Apis = None, **where: Unpack[Where]) -> ActiveFault:
        """Close the connection instead of acting."""
        return self.add(Fault.disconnect(api, **where))

    def lose_answer(self, api: Apis = None, **where: Unpack[Where]) -> ActiveFault:
        """Act, and close the connection instead of answering."""
        return self.add(Fault.lose_answer(api, **where))

    def answer_and_disconnect(self, api: Apis = None, **where: Unpack[Where]) -> ActiveFault:
        """Act, answer, and close the connection."""
        return self.add(Fault.answer_and_disconnect(api, **where))

    def never_answer(self, api: Apis = None, *, acting: bool = True, **where: Unpack[Where]) -> ActiveFault:
        """Leave the client waiting on an open connection."""
        return self.add(Fault.never_answer(api, acting=acting, **where))

    def refuse_connections(self, *, seconds: float | None = None) -> ActiveFault:
        """Refuse new connections; those that are open stay."""
        return self.add(Fault.refuse_connections(seconds=seconds))

    def freeze(self, *, seconds: float | None = None) -> ActiveFault:
        """Stand still: connections are made, nothing is answered. What looks inside goes on working."""
        return self.add(Fault.freeze(seconds=seconds))

    def disk_full(self, *, seconds: float | None = None) -> ActiveFault:
        """Have no room on the disk."""
        return self.add(Fault.disk_full(seconds=seconds))

    # What happens once

    def crash(self, *, down_seconds: float = 0.0) -> None:
        """Die as by kill -9 and come back on the same data, port and rules; `down_seconds` lie between.

        In a coroutine, `await asyncio.to_thread(broker.faults.crash)`. Raises StartFailed when it does not come back:
        then it can only be stopped. EmbeddedBrokerError while it is frozen or its disk is full.
        """
        running = self._here()
        crash(running, down_seconds, partial(self._begin_next_life, running))

    def move_leader_epoch(self, topic: str, partition: int | None = None) -> None:
        """Begin a new leader epoch of a partition, or of all of a topic, as an election does.

        Raises InvalidOption, RequestRefused.
        """
        running = self._here()
        running.thread.check_awake()
        running.thread.call(partial(move_leader_epoch, running.broker.services, topic, partition))

    # Ending them

    def _remove(self, rule: Rule) -> None:
        self._change(partial(self._book.remove, rule))

    def clear(self) -> None:
        """End all faults and forget what they hit."""
        self._change(self._book.clear)

    def _change(self, change: Callable[[], None]) -> None:
        try:
            running = self._here()
        except NotRunning:
            change()
            return

        def act() -> None:
            change()
            if FaultKind.FREEZE not in self._kinds:
                running.thread.thaw()
            self.apply(running.broker)

        running.thread.call(act)

    # Looking

    @property
    def active(self) -> list[Fault]:
        """The faults in force, in the order in which they were added: the first that hits a request decides."""
        return self._look(lambda: [rule.fault for rule in self._book.rules])

    @property
    def history(self) -> list[FaultHit]:
        """What was hit, oldest first: the newest 10,000 since the start, or since the last `clear` or `reset`."""
        return self._look(lambda: self._book.history)

    def describe(self) -> str:
        """The faults in force and the last hits, as text for people."""
        lines = [f"  in force: {fault}" for fault in self.active]
        lines += [f"  hit: {hit}" for hit in self.history[-_SHOWN_HITS:]]
        return "\n".join(["faults:", *lines]) if lines else "faults: none"

    def _look(self, look: Callable[[], T]) -> T:
        try:
            running = self._here()
        except NotRunning:
            return look()
        return running.thread.call(look)

    # On the broker's loop

    def _add(self, running: Running, fault: Fault) -> ActiveFault:
        broker = running.broker
        check_topic(fault, broker.services)
        rule = self._book.add(fault, broker.services.clock.monotonic_ms())
        if fault.kind is FaultKind.FREEZE:
            running.thread.freeze(fault.seconds, partial(self._book.remove, rule))
        else:
            self._end_in_time(running, rule)
        self.apply(broker)
        return ActiveFault(rule, self._remove)

    def _begin_next_life(self, running: Running) -> None:
        for rule in self._book.rules:
            self._end_in_time(running, rule)
        self.apply(running.broker)

    def _end_in_time(self, running: Running, rule: Rule) -> None:
        if rule.until_ms is not None and rule.fault.kind in OF_THE_BROKER:
            running.broker.services.timers.schedule(rule.until_ms, partial(self._end, running, rule))

    def _end(self, running: Running, rule: Rule) -> None:
        self._book.remove(rule)
        self.apply(running.broker)

    @property
    def _kinds(self) -> set[FaultKind]:
        return {rule.fault.kind for rule in self._book.rules}

    def apply(self, broker: ObservedBroker) -> None:
        """Let a broker behave as the rules say that are in force now."""
        faulty = FaultyHandlers(self._book, lambda: broker.use_handlers(None))
        broker.use_handlers(faulty.apis if self._book.has_request_rules else None)
        broker.refuse_connections(refused=FaultKind.REFUSE_CONNECTIONS in self._kinds)
        broker.files.is_full = FaultKind.DISK_FULL in self._kinds
