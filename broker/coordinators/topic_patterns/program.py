"""An expression as a small machine: states, and what leads from one to the next.

A state takes a character of a set, or forks, or checks an assertion, or accepts.
"""

from __future__ import annotations

from typing import NamedTuple

from .nodes import Assertion, Chars, Choice, Node, PatternError, Repeat

SIZE_MAX = 5_000
"""States of one expression. A thousand repetitions of a character fit; nested repetitions soon do not."""


class State(NamedTuple):
    """One state. With a mask it takes a character; with an assertion it goes on where that holds."""

    mask: int
    assertion: Assertion | None
    next: tuple[int, ...]
    """Empty for the state that accepts."""


ACCEPT = 0


def compile_program(node: Node) -> tuple[list[State], int]:
    """The states, and the number of the first. Raises PatternError when they are too many."""
    builder = _Builder()
    first = builder.add(node, ACCEPT)
    return builder.states, first


class _Builder:
    """States are made from the back: each piece is told where it leads."""

    def __init__(self) -> None:
        self.states = [State(0, None, ())]

    def add(self, node: Node, then: int) -> int:
        """Make the states of a piece; return where it begins."""
        if isinstance(node, Chars):
            # A set without a character leads nowhere.
            return self._state(State(node.mask, None, (then,) if node.mask else ()))
        if isinstance(node, Assertion):
            return self._state(State(0, node, (then,)))
        if isinstance(node, Choice):
            return self._fork(*(self.add(option, then) for option in node.options))
        if isinstance(node, Repeat):
            return self._repeat(node, then)
        for part in reversed(node.parts):
            then = self.add(part, then)
        return then

    def _repeat(self, node: Repeat, then: int) -> int:
        if node.high is None:
            loop = self._state(State(0, None, ()))
            begin = self.add(node.part, loop)
            self.states[loop] = State(0, None, (begin, then))
            then = loop
        else:
            end = then
            for _ in range(node.high - node.low):
                then = self._fork(self.add(node.part, then), end)
        for _ in range(node.low):
            then = self.add(node.part, then)
        return then

    def _fork(self, *ways: int) -> int:
        return self._state(State(0, None, ways))

    def _state(self, state: State) -> int:
        if len(self.states) >= SIZE_MAX:
            raise PatternError("invalid repeat count")
        self.states.append(state)
        return len(self.states) - 1
