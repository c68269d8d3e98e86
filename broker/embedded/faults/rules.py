"""Which fault hits which request: matching, counting and chance, without a clock, a socket or a loop.

Rules are asked in the order in which they were added; the first that hits decides what happens. A rule that only
counts a request (`after`), or lets it pass by chance, leaves it to the next one.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .fault import OF_THE_BROKER, Fault, FaultKind
from .names import api_name
from .places import place_for

if TYPE_CHECKING:
    from .targets import Targets

_HISTORY_HITS: Final = 10_000
_COORDINATES: Final = frozenset({FaultKind.COORDINATOR_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as rules see it."""

    api_key: int
    api_version: int
    client_id: str | None
    correlation_id: int
    targets: Targets


@dataclass(frozen=True, slots=True)
class FaultHit:
    """A request that a fault has hit. `time_ms` is of the broker's wall clock."""

    fault: Fault
    api: str
    api_version: int
    client_id: str | None
    correlation_id: int
    time_ms: int

    def __str__(self) -> str:
        return f"{self.api} {self.api_version} of {self.client_id}: {self.fault}"


@dataclass(eq=False)
class Rule:
    """A fault in force: how often it has hit, and what it has yet to let pass."""

    fault: Fault
    until_ms: int | None = None
    """On the monotonic clock; None: no end of time."""
    hits: int = 0
    is_over: bool = False
    _passing: int = field(init=False)
    _chance: random.Random = field(init=False)
    _line_free_ms: int = 0

    def __post_init__(self) -> None:
        self._passing = self.fault.after
        self._chance = random.Random(self.fault.seed)  # noqa: S311 - a test wants the same chance each time

    def takes(self, asked: Asked, now_ms: int) -> bool:
        """Whether this request is hit; counts it."""
        if self.until_ms is not None and now_ms >= self.until_ms:
            self.is_over = True
        if self.is_over or not matches(self.fault, asked):
            return False
        if self._passing:
            self._passing -= 1
            return False
        if self.fault.probability < 1.0 and self._chance.random() >= self.fault.probability:
            return False
        self.hits += 1
        self.is_over = self.hits == self.fault.times
        return True

    def carried_at_ms(self, size_bytes: int, now_ms: int) -> int:
        """When the line of a throttle has carried so much more."""
        begin_ms = max(now_ms, self._line_free_ms)
        self._line_free_ms = begin_ms + size_bytes * 1000 // self.fault.bytes_per_second
        return self._line_free_ms


class RuleBook:
    """All rules that are in force, and what they hit."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._history: deque[FaultHit] = deque(maxlen=_HISTORY_HITS)

    def add(self, fault: Fault, now_ms: int) -> Rule:
        """Put a fault in force. `now_ms` is monotonic."""
        rule = Rule(fault, None if fault.seconds is None else now_ms + int(fault.seconds * 1000))
        self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Take a rule out of force; harmless when it is over already."""
        rule.is_over = True
        if rule in self._rules:
            self._rules.remove(rule)

    def clear(self) -> None:
        """Forget all rules, and what they hit."""
        for rule in list(self._rules):
            self.remove(rule)
        self._history.clear()

    def decide(self, asked: Asked, now_ms: int, wall_ms: int) -> Rule | None:
        """The rule that hits this request."""
        hit = next((rule for rule in self._rules if rule.takes(asked, now_ms)), None)
        self._rules = [rule for rule in self._rules if not rule.is_over]
        if hit is not None:
            name = api_name(asked.api_key)
            self._history.append(
                FaultHit(hit.fault, name, asked.api_version, asked.client_id, asked.correlation_id, wall_ms)
            )
        return hit

    @property
    def rules(self) -> list[Rule]:
        """Those in force."""
        return list(self._rules)

    @property
    def has_request_rules(self) -> bool:
        """Whether requests must be looked at."""
        return any(rule.fault.kind not in OF_THE_BROKER for rule in self._rules)

    @property
    def history(self) -> list[FaultHit]:
        """The newest hits, oldest first."""
        return list(self._history)


def matches(fault: Fault, asked: Asked) -> bool:
    """Whether a fault is about a request like this."""
    if fault.kind in OF_THE_BROKER or (fault.apis and asked.api_key not in fault.apis):
        return False
    if fault.versions is not None and asked.api_version not in fault.versions:
        return False
    if fault.client_id is not None and asked.client_id != fault.client_id:
        return False
    return _names_match(fault, asked.targets) and _has_place(fault, asked)


def _names_match(fault: Fault, targets: Targets) -> bool:
    if fault.group is not None and fault.group not in targets.groups:
        return False
    if fault.transactional_id is not None and fault.transactional_id not in targets.transactional_ids:
        return False
    if fault.kind in _COORDINATES and not targets.groups and not targets.transactional_ids:
        return False
    if fault.topic is None and fault.partition is None:
        return True
    return targets.has_place(fault.topic, fault.partition)


def _has_place(fault: Fault, asked: Asked) -> bool:
    """Whether the version has room for the error."""
    return fault.kind is not FaultKind.ERROR or place_of(fault, asked.api_key, asked.api_version) is not None


def place_of(fault: Fault, api_key: int, version: int) -> str | None:
    """Where a response of this version tells the fault's error; None where it cannot."""
    return place_for(
        api_key, version, fault.at, fault.topic, fault.partition, is_of_the_whole=fault.is_about_everything
    )
