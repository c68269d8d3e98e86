"""Background work that waits until the test lets it go on: the place where a thread would still be busy."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ottla.storage.background import INLINE

if TYPE_CHECKING:
    from collections.abc import Callable


class HeldBackground:
    """Implements `Background`; passes work through until `hold` is set."""

    def __init__(self) -> None:
        self.hold = False
        self.waiting: deque[tuple[Any, Any, Any]] = deque()

    def run(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        if self.hold:
            self.waiting.append((work, done, failed))
        else:
            INLINE.run(work, done, failed)

    def finish_one(self) -> None:
        """Do the oldest piece of work and bring its outcome back."""
        INLINE.run(*self.waiting.popleft())

    def finish_all(self) -> None:
        """Do everything, also what comes of it."""
        while self.waiting:
            self.finish_one()
