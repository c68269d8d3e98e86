"""A whole broker in this process, in a thread with an event loop of its own: for what needs its insides, like a disk
that fails. Clients reach it over a socket, as any other.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from ottla.broker.app import Broker
from ottla.broker.config import load_config
from ottla.broker.event_loop import new_event_loop
from ottla.storage.files import OS_FILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ottla.storage.files import Files

TIMEOUT_S = 60


class BrokerInThread:
    """`start` raises what the broker raises; `port` is where it listens."""

    def __init__(self, data_dir: Path, options: dict[str, str], files: Files = OS_FILES) -> None:
        overrides = [f"{key}={value}" for key, value in options.items()]
        self._config = load_config(overrides=overrides, port=0, data_dir=str(data_dir))
        self._files = files
        self._broker: Broker | None = None
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def start(self) -> None:
        self._broker = Broker(self._config, files=self._files)
        self._thread.start()
        try:
            self._run(self._broker.start())
        except BaseException:
            self._end()
            raise
        self.port = self._broker.addresses[0][2]

    def stop(self) -> None:
        """As a person would."""
        try:
            self._run(self._broker.stop())
        finally:
            self._end()

    def on_loop(self, action: Callable[[Broker], object]) -> object:
        """What an action on the broker returns, run where the broker runs."""

        async def act() -> object:
            return action(self._broker)

        return self._run(act())

    def _run(self, work) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_S)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        self._loop.close()
