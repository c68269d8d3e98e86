"""Which brokers run in this process, so that a forked child lets go of its parent's."""

from __future__ import annotations

import os
import weakref
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .observed_broker import ObservedBroker


@cache
def brokers_of_process() -> weakref.WeakSet[ObservedBroker]:
    """The brokers that run here. A fork empties their sockets in the child; there is no undoing that registration."""
    brokers: weakref.WeakSet[ObservedBroker] = weakref.WeakSet()

    def leave_to_parent() -> None:
        for broker in list(brokers):
            broker.leave_sockets_to_parent()
        brokers.clear()

    os.register_at_fork(after_in_child=leave_to_parent)
    return brokers
