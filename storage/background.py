"""Where a log hands disk work that may take long: syncs, the files of a rolled segment, deletions.

A log belongs to one thread. What it hands out touches nothing that this thread changes: it gets paths, descriptors of
its own and values that stay as they are. The outcome comes back to the log's thread, which puts it in place if the
world is still as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Background(Protocol):
    """Runs work elsewhere and brings its outcome back."""

    def run(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        """Run `work` off the caller's thread, then call exactly one of the other two on it."""
        ...


class InlineBackground:
    """Does everything at once, within the call: for tools, for tests, and before an event loop runs."""

    __slots__ = ()

    def run(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        """Run `work` and hand on what came of it."""
        try:
            outcome = work()
        except Exception as error:  # noqa: BLE001 - whoever handed the work out decides what an error means
            failed(error)
            return
        done(outcome)


INLINE = InlineBackground()
