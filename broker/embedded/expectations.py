"""Waiting for what a test expects of the broker, and saying what was there when it did not come.

A condition is tried at once and after each change in the broker. It may speak of other things too: it is tried some
times a second in any case.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Final, TypeVar

from ..clock import SystemClock
from .errors import ExpectationFailed, RequestRefused
from .summary import record_lines
from .views import RecordView

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from .broker import Broker
    from .observed_broker import ChangeSignal

T = TypeVar("T")

_LOOK_AT_LEAST_EVERY_S: Final = 0.05


def wait_for(changes: ChangeSignal, condition: Callable[[], T], timeout_s: float, explain: Callable[[], str]) -> T:
    """What the condition returned when it was true. Raises ExpectationFailed with what `explain` returns.

    A condition about what is not there yet (a topic that the broker does not know, a group that is not in the mapping)
    is not true.
    """
    clock = SystemClock()
    deadline_ms = clock.monotonic_ms() + timeout_s * 1000
    absent: Exception | None = None
    with closing(changes.watch(_LOOK_AT_LEAST_EVERY_S)) as looks:
        for _ in looks:
            try:
                outcome = condition()
            except (RequestRefused, LookupError) as error:
                absent = error
            else:
                absent = None
                if outcome:
                    return outcome
            if clock.monotonic_ms() >= deadline_ms:
                break
    raise ExpectationFailed(_absence(absent) + explain()) from absent


def _absence(error: Exception | None) -> str:
    if error is None:
        return ""
    return f"{error}\n" if isinstance(error, RequestRefused) else f"{type(error).__name__}: {error}\n"


class ExpectedRecords(list[RecordView]):
    """The records that a topic gets while a `with` block runs; filled when it ends.

    Records of transactions count when they are committed.
    """

    def __init__(self, broker: Broker, topic: str, count: int, timeout_s: float) -> None:
        super().__init__()
        self._broker = broker
        self._topic = topic
        self._count = count
        self._timeout_s = timeout_s
        self._begin: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._begin = self._broker.end_offsets(self._topic)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        """Wait for the records. Raises ExpectationFailed for too few, and for too many."""
        self._broker.wait_for(self._have_all, self._timeout_s, message=self._explain)
        if len(self) != self._count:
            raise ExpectationFailed(self._explain())

    def _have_all(self) -> bool:
        self[:] = [record for record in self._new() if record.is_readable]
        return len(self) >= self._count

    def _new(self) -> list[RecordView]:
        if not self._count and not self._broker.end_offsets(self._topic):
            return []
        found = self._broker.records(self._topic)
        return [record for record in found if record.offset >= self._begin.get(record.partition, 0)]

    def _explain(self) -> str:
        try:
            unreadable = [record for record in self._new() if not record.is_readable]
        except RequestRefused:
            unreadable = []
        lines = [
            f"expected {self._count} records in {self._topic} within {self._timeout_s:g} s, there came {len(self)}",
            *record_lines([*self, *unreadable]),
        ]
        return "\n".join(lines)
