"""What a catalogue is written in.

A module of the catalogue is about one API. It names the API's request, and every public function in it is a case:

    API = CreateTopicsRequest

    def the_same_name_twice(w):
        yield CreateTopicsRequest(topics=[CreatableTopic(name=w.name("t")), CreatableTopic(name=w.name("t"))])

A case gets a `World` (`world.py`), which is one broker with names of its own, and yields what is sent; the answer
comes back from the `yield`. It is played once for each version that both brokers have: requests of the module's API
go out in that version, all others in their highest. A version that cannot carry what a case sets is left out.

What is yielded is a request, or one of the wrappers here, for what a request alone does not say.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ottla.protocol.schema import Message, Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import ModuleType

    from .world import World

    Script = Callable[[World], Generator[Any, Any, None]]

F = TypeVar("F")


class At(NamedTuple):
    """A request in a version that is not the one under test."""

    request: Message
    version: int


class Once(NamedTuple):
    """A request whose first answer counts, even where it says "try again"."""

    request: Message


class Unanswered(NamedTuple):
    """A request that gets no answer; the next step shows that none came."""

    request: Message


class Parked(NamedTuple):
    """A request on a connection of its own (`on`), sent without waiting; `Answer` with that name reads it."""

    on: str
    request: Message


class Answer(NamedTuple):
    """Wait for the answer of what was parked under that name."""

    on: str


class On(NamedTuple):
    """A request on the connection of that name: sessions and members that must not share one."""

    on: str
    request: Message


class RawBody(NamedTuple):
    """Bytes in the place of a request's body."""

    request: type[Message]
    version: int
    body: bytes


def versions(text: str) -> Callable[[F], F]:
    """Play a case in these versions of its API only: "4+", "0-3"."""

    def mark(script: F) -> F:
        script.versions = Versions.parse(text)  # type: ignore[attr-defined]
        return script

    return mark


def alone(script: F) -> F:
    """Play a case on one broker after the other: what it changes is seen by all cases."""
    script.is_alone = True  # type: ignore[attr-defined]
    return script


@dataclass(frozen=True)
class Case:
    """One function of the catalogue."""

    module: str
    name: str
    script: Script
    api: type[Message] | None
    """None for a sequence, which is played once."""

    @property
    def id(self) -> str:
        return f"{self.module}/{self.name}"

    @property
    def versions(self) -> Versions:
        return getattr(self.script, "versions", Versions(0, 32767))

    @property
    def is_alone(self) -> bool:
        return getattr(self.script, "is_alone", False)


def cases_in(package: str) -> list[Case]:
    """Every case of every module in a package, by the modules' names."""
    found = []
    path = importlib.import_module(package).__path__
    for name in sorted(module.name for module in pkgutil.iter_modules(path)):
        found += _cases_of(importlib.import_module(f"{package}.{name}"), name)
    return found


def _cases_of(module: ModuleType, name: str) -> list[Case]:
    api = getattr(module, "API", None)
    return [
        Case(name, function.__name__, function, api)
        for function in vars(module).values()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not function.__name__.startswith("_")
    ]
