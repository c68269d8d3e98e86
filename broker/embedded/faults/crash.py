"""kill -9 of a broker that shares its process with others, and its next life on the same data."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ...app import StartError
from ..errors import EmbeddedBrokerError, StartFailed
from ..in_process_client import InProcessClient
from ..process import brokers_of_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..observed_broker import ObservedBroker
    from ..running import Running


def crash(running: Running, down_seconds: float, started: Callable[[], None]) -> None:
    """Kill the broker and start the next one; `started` is called on its loop before a client can have asked.

    Raises StartFailed, EmbeddedBrokerError.
    """
    running.thread.check_awake()
    killed = running.broker
    if killed.files.is_full:
        raise EmbeddedBrokerError("the disk is full, and a broker cannot start on it; remove the fault first")
    running.thread.run(killed.die())
    running.thread.call(running.client.end)
    brokers_of_process().discard(killed)
    if down_seconds > 0:
        threading.Event().wait(down_seconds)
    successor = killed.next_life()
    try:
        running.thread.run(_start(running, successor, started))
    except StartError as error:
        running.broker = successor  # what was never there is stopped without harm
        raise StartFailed(f"the broker was killed and does not come back: {error}") from error
    brokers_of_process().add(successor)
    running.client = InProcessClient(successor, running.thread)


async def _start(running: Running, successor: ObservedBroker, started: Callable[[], None]) -> None:
    await successor.start()
    running.broker = successor
    started()
