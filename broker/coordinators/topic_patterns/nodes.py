"""A parsed expression, as a tree, and what may be wrong with one."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, TypeAlias


class PatternError(ValueError):
    """Not a regular expression; `description` says why in RE2's words."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class Assertion(Enum):
    """What holds between two characters without taking one."""

    BEGIN = auto()
    END = auto()
    WORD_BOUNDARY = auto()
    NO_WORD_BOUNDARY = auto()


class Chars(NamedTuple):
    """One character of a set: bit i stands for the character of code i."""

    mask: int


class Sequence(NamedTuple):
    """One after the other; none is the empty match."""

    parts: tuple[Node, ...]


class Choice(NamedTuple):
    """One of several."""

    options: tuple[Node, ...]


class Repeat(NamedTuple):
    """The part at least `low` times, at most `high` times, which is None for no limit."""

    part: Node
    low: int
    high: int | None


Node: TypeAlias = Assertion | Chars | Sequence | Choice | Repeat
