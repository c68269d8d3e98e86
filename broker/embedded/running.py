"""What is there of an embedded broker between its start and its stop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .in_process_client import InProcessClient
    from .loop_thread import LoopThread
    from .observed_broker import ObservedBroker
    from .reset import Configs


class Running:
    """The broker of the present life, its thread, and how all of it is ended."""

    broker: ObservedBroker
    thread: LoopThread
    client: InProcessClient
    first_configs: Configs

    def __init__(self, start: Callable[[Running], None]) -> None:
        """Call `start`, which leaves in `undo` what ends it; when it raises that is done at once."""
        self.undo = contextlib.ExitStack()
        with self.undo:
            start(self)
            self.undo = self.undo.pop_all()
