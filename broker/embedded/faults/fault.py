"""What can be made to go wrong, as values: what happens, to which requests, and how often.

    Fault.error("Produce", "NOT_LEADER_OR_FOLLOWER", topic="orders", times=2)
    Fault.delay("Fetch", 0.5, client_id="billing-1", probability=0.1, seed=7)

A fault that cannot be (an unknown API, a code where it cannot stand) raises InvalidOption here, before any broker knows
of it. A broker takes them with `broker.faults.add`, or `Broker(faults=[...])`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from ....protocol.api_keys import ApiKey
from ....protocol.errors import ErrorCode
from ....protocol.schema import Versions
from ...api_table import APIS
from ..errors import InvalidOption
from .names import api_key, api_name, error_code, version_range, version_text
from .places import WHOLE, check_place
from .targets import NAMES, check_names

if TYPE_CHECKING:
    from typing import Self

Api = str | int
Apis = Api | Sequence[Api] | None
Code = str | int


class Where(TypedDict, total=False):
    """Which requests, and how often. What is not said may be anything."""

    versions: str | int
    """Of the API, in Kafka's way of writing: 7, "3+", "0-4"."""
    topic: str
    partition: int
    group: str
    transactional_id: str
    client_id: str
    times: int
    """The fault is over when it has hit so often."""
    after: int
    """So many requests that it could have hit pass first."""
    probability: float
    """Each request that it could hit is hit with this probability, which `seed` decides: the same each time."""
    seed: int
    seconds: float
    """The fault is over when so much time has passed on the broker's clock."""


class FaultKind(Enum):
    """What happens; the value is how people read it."""

    ERROR = "error"
    COORDINATOR_UNAVAILABLE = "coordinator unavailable"
    DELAY = "delay"
    THROTTLE = "throttle"
    DISCONNECT = "disconnect"
    LOSE_ANSWER = "lose answer"
    ANSWER_AND_DISCONNECT = "answer and disconnect"
    NEVER_ANSWER = "never answer"
    REFUSE_CONNECTIONS = "refuse connections"
    FREEZE = "freeze"
    DISK_FULL = "disk full"


OF_THE_BROKER: Final = frozenset({FaultKind.REFUSE_CONNECTIONS, FaultKind.FREEZE, FaultKind.DISK_FULL})
"""What happens to the broker as a whole, while it lasts; the others happen to requests."""

_FIND_COORDINATOR: Final = frozenset({ApiKey.FIND_COORDINATOR})
_COORDINATED: Final = _FIND_COORDINATOR | {
    ApiKey.JOIN_GROUP,
    ApiKey.SYNC_GROUP,
    ApiKey.HEARTBEAT,
    ApiKey.LEAVE_GROUP,
    ApiKey.OFFSET_COMMIT,
    ApiKey.OFFSET_FETCH,
    ApiKey.OFFSET_DELETE,
    ApiKey.DESCRIBE_GROUPS,
    ApiKey.DELETE_GROUPS,
    ApiKey.CONSUMER_GROUP_HEARTBEAT,
    ApiKey.CONSUMER_GROUP_DESCRIBE,
    ApiKey.INIT_PRODUCER_ID,
    ApiKey.ADD_PARTITIONS_TO_TXN,
    ApiKey.ADD_OFFSETS_TO_TXN,
    ApiKey.END_TXN,
    ApiKey.TXN_OFFSET_COMMIT,
    ApiKey.DESCRIBE_TRANSACTIONS,
}


@dataclass(frozen=True, repr=False)
class Fault:
    """One thing that goes wrong. Made by the functions below, which all raise InvalidOption for what cannot be.

    Each takes what `Where` lists besides its own arguments. An API is named as Kafka names it ("Produce",
    "INIT_PRODUCER_ID") or by its number; several may be given, and None stands for all.
    """

    kind: FaultKind
    apis: frozenset[ApiKey] = frozenset()
    """Empty: all."""
    versions: Versions | None = None
    topic: str | None = None
    partition: int | None = None
    group: str | None = None
    transactional_id: str | None = None
    client_id: str | None = None
    times: int | None = None
    after: int = 0
    probability: float = 1.0
    seed: int = 0
    seconds: float | None = None
    code: ErrorCode = ErrorCode.NONE
    at: str | None = None
    acting: bool = False
    delay_ms: int = 0
    bytes_per_second: int = 0

    # Answers

    @classmethod
    def error(
        cls, api: Apis, code: Code, *, at: str | None = None, acting: bool = False, **where: Unpack[Where]
    ) -> Self:
        """Answer an error code, by Kafka's name or number, instead of acting; with `acting` after acting.

        What a request asks beside the topic, partition or group of the rule is done and answered as ever. `at` says
        where the code stands, if the API knows several places: "request" (for all of it), "topic", "partition",
        "group", "member", "transaction", "resource" or "coordinator".
        """
        fault = cls._new(FaultKind.ERROR, api, where, code=error_code(code), at=at, acting=acting)
        if not fault.apis:
            raise InvalidOption("an error is answered to an API: name it, for instance 'Produce'")
        for key in fault.apis:
            served = APIS[key]
            within = fault.versions or Versions(served.lowest, served.highest)
            check_place(served, within, at, fault.topic, fault.partition)
        return fault

    @classmethod
    def delay(cls, api: Apis, delay_seconds: float, **where: Unpack[Where]) -> Self:
        """Act, and answer so many seconds later, on the broker's clock."""
        delay_ms = _milliseconds("delay_seconds", delay_seconds)
        return cls._new(FaultKind.DELAY, api, where, delay_ms=delay_ms)

    @classmethod
    def throttle(cls, bytes_per_second: int, api: Apis = None, **where: Unpack[Where]) -> Self:
        """Let requests and answers together take as long as such a line would; all that it hits share the line."""
        if bytes_per_second <= 0:
            raise InvalidOption(f"bytes_per_second={bytes_per_second}: a line carries at least one")
        return cls._new(FaultKind.THROTTLE, api, where, bytes_per_second=bytes_per_second)

    @classmethod
    def never_answer(cls, api: Apis = None, *, acting: bool = True, **where: Unpack[Where]) -> Self:
        """Act, or with `acting=False` do not, and leave the client waiting on an open connection."""
        return cls._new(FaultKind.NEVER_ANSWER, api, where, acting=acting)

    @classmethod
    def coordinator_unavailable(cls, **where: Unpack[Where]) -> Self:
        """Be no coordinator: of a `group`, of a `transactional_id`, or of anything.

        Requests to it are answered NOT_COORDINATOR, and whoever looks for it COORDINATOR_NOT_AVAILABLE.
        """
        return cls._new(FaultKind.COORDINATOR_UNAVAILABLE, tuple(_COORDINATED), where)

    # Connections

    @classmethod
    def disconnect(cls, api: Apis = None, **where: Unpack[Where]) -> Self:
        """Close the connection instead of acting."""
        return cls._new(FaultKind.DISCONNECT, api, where)

    @classmethod
    def lose_answer(cls, api: Apis = None, **where: Unpack[Where]) -> Self:
        """Act, and close the connection instead of answering."""
        return cls._new(FaultKind.LOSE_ANSWER, api, where)

    @classmethod
    def answer_and_disconnect(cls, api: Apis = None, **where: Unpack[Where]) -> Self:
        """Act, answer, and close the connection."""
        return cls._new(FaultKind.ANSWER_AND_DISCONNECT, api, where)

    # The broker

    @classmethod
    def refuse_connections(cls, *, seconds: float | None = None) -> Self:
        """Refuse new connections; those that are open stay."""
        return cls(FaultKind.REFUSE_CONNECTIONS, seconds=_lasting(seconds))

    @classmethod
    def freeze(cls, *, seconds: float | None = None) -> Self:
        """Stand still, as a process that was sent SIGSTOP: connections are made, and nothing is answered.

        The seconds are of real time, since the broker's timers stand still too.
        """
        return cls(FaultKind.FREEZE, seconds=_lasting(seconds))

    @classmethod
    def disk_full(cls, *, seconds: float | None = None) -> Self:
        """Take nothing more on the disk: what needs room is answered KAFKA_STORAGE_ERROR, or as Kafka does."""
        return cls(FaultKind.DISK_FULL, seconds=_lasting(seconds))

    @classmethod
    def _new(cls, kind: FaultKind, api: Apis, where: Where, **own: Any) -> Self:
        unknown = where.keys() - Where.__annotations__.keys()
        if unknown:
            known = ", ".join(Where.__annotations__)
            raise InvalidOption(f"{', '.join(sorted(unknown))}: a fault is not limited by that, but by {known}")
        apis = _api_keys(api)
        chosen: dict[str, Any] = {**where, **own}
        if "versions" in where:
            chosen["versions"] = version_range(where["versions"], apis)
        _check_numbers(where)
        names: dict[str, object] = {name: where[name] for name in NAMES if name in where}
        check_names(() if kind is FaultKind.COORDINATOR_UNAVAILABLE else apis, names)
        return cls(kind, apis, **chosen)

    def code_for(self, key: int) -> ErrorCode:
        """The error that an API is answered."""
        if self.kind is not FaultKind.COORDINATOR_UNAVAILABLE:
            return self.code
        return ErrorCode.COORDINATOR_NOT_AVAILABLE if key in _FIND_COORDINATOR else ErrorCode.NOT_COORDINATOR

    @property
    def is_about_everything(self) -> bool:
        """Whether the error is one of the whole request, not of what stands in it."""
        return self.kind is FaultKind.COORDINATOR_UNAVAILABLE or (self.code in WHOLE and self.topic is None)

    def __repr__(self) -> str:
        return f"<Fault: {self}>"

    def __str__(self) -> str:
        """One line, as people read it in a failed test's report."""
        text = self.kind.value
        if self.kind is FaultKind.ERROR:
            text += f" {self.code.name}"
        if self.apis and self.kind is not FaultKind.COORDINATOR_UNAVAILABLE:
            text += " on " + ", ".join(sorted(map(api_name, self.apis)))
        limits = [] if self.versions is None else [f"versions={version_text(self.versions)}"]
        for name in _SHOWN:
            value = getattr(self, name)
            if value != Fault.__dataclass_fields__[name].default:
                limits.append(f"{name}={value}")
        return ", ".join([text, *limits])


_SHOWN: Final = (
    *NAMES,
    "client_id",
    "at",
    "acting",
    "delay_ms",
    "bytes_per_second",
    "times",
    "after",
    "probability",
    "seconds",
)


def _api_keys(api: Apis) -> frozenset[ApiKey]:
    if api is None:
        return frozenset()
    if isinstance(api, str | int):
        return frozenset({api_key(api)})
    return frozenset(map(api_key, api))


def _check_numbers(where: Where) -> None:
    for name in ("times", "after", "partition"):
        value = where.get(name)
        lowest = 1 if name == "times" else 0
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < lowest):
            raise InvalidOption(f"{name}={value!r}: it is a whole number from {lowest} on")
    probability = where.get("probability", 1.0)
    if not isinstance(probability, int | float) or not 0.0 < probability <= 1.0:
        raise InvalidOption(f"probability={probability!r}: it is above 0 and at most 1")
    _lasting(where.get("seconds"))


def _lasting(seconds: float | None) -> float | None:
    if seconds is not None:
        _milliseconds("seconds", seconds)
    return seconds


def _milliseconds(what: str, seconds: float) -> int:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < float("inf"):
        raise InvalidOption(f"{what}={seconds!r}: it is a number of seconds above 0")
    return max(int(seconds * 1000), 1)
