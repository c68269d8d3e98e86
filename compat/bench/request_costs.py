"""What a request costs a server, by where the kernel puts it: CPU of all its threads, in microseconds.

What it takes to wake a CPU, a virtual one above all, is charged to who runs there. So a lone client's request costs
half as much again, or not, by whether the server shares the client's CPU; each place is measured by itself.
"""

from __future__ import annotations

import os
import statistics
from typing import TYPE_CHECKING, NamedTuple

from comparison.accounting import Accounts

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 5


class RequestCosts(NamedTuple):
    """CPU of one request, in microseconds."""

    at_a_time_us: float
    """While many ask: the server on a CPU that is busy with them."""
    beside_us: float
    """While one asks, from the CPU that the server runs on."""
    woken_us: float
    """While one asks from another CPU: the server's sleeps before each request."""


def costs_by_place(pid: int, many: list[Callable[[], Callable[[], None]]], count: int) -> RequestCosts:
    """Medians of some rounds over the places: the machine has others to serve, and not as many in each moment."""
    allowed = os.sched_getaffinity(0)
    own, other = min(allowed), max(allowed)
    os.sched_setaffinity(0, {own})
    costs = []
    for _ in range(_ROUNDS):
        for asking, place in ((many, other), (many[:1], own), (many[:1], other)):
            os.sched_setaffinity(pid, {place})
            costs.append(_cost_us(pid, asking, count // _ROUNDS))
    for process in (0, pid):
        os.sched_setaffinity(process, allowed)
    return RequestCosts(*(statistics.median(costs[place::3]) for place in range(3)))


def _cost_us(pid: int, asking: list[Callable[[], Callable[[], None]]], count: int) -> float:
    accounts = Accounts(pid)
    before_s = accounts.cpu_s
    for _ in range(count // len(asking)):
        answers = [ask() for ask in asking]
        for answer in answers:
            answer()
    return (accounts.cpu_s - before_s) / count * 1e6
