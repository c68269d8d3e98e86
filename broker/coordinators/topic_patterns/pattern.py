"""A pattern of names: all states of its machine are followed at once, and what was worked out is kept.

Where a name has got to is a set of states; from such a set each character leads to one other set, which is worked out
when it is first needed. So a name takes one look-up a character, whatever the expression is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .alphabet import WORD, Alphabet
from .nodes import Assertion, PatternError
from .parser import parse
from .program import ACCEPT, compile_program

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PatternError", "TopicPattern"]

_ASCII: Final = Alphabet()
_SPOTS_MAX: Final = 2_000
_END: Final = -1


class _Spot(NamedTuple):
    """The states behind a character, and what that character was."""

    states: frozenset[int]
    is_begin: bool
    is_after_word: bool


class TopicPattern:
    """Matches whole names, of ASCII or of a larger alphabet.

    Raises PatternError for what is no expression in RE2's syntax.
    """

    __slots__ = ("_alphabet", "_program", "_spots", "_start", "text")

    def __init__(self, text: str, alphabet: Alphabet = _ASCII) -> None:
        self.text = text
        self._alphabet = alphabet
        self._program, first = compile_program(parse(text, alphabet))
        self._start = _Spot(frozenset((first,)), is_begin=True, is_after_word=False)
        self._spots: dict[_Spot, dict[int, _Spot]] = {self._start: {}}

    def matches(self, name: str) -> bool:
        """Whether the expression stands for the whole name."""
        codes = name.encode() if name.isascii() else self._alphabet.numbers(name)
        if codes is None:
            return False
        spot = self._start
        for code in codes:
            known = self._spots[spot].get(code)
            spot = self._step(spot, code) if known is None else known
            if not spot.states:
                return False
        return ACCEPT in self._reachable(spot, _END)

    def _step(self, spot: _Spot, code: int) -> _Spot:
        bit = 1 << code
        states: set[int] = set()
        for state in self._reachable(spot, code):
            if self._program[state].mask & bit:
                states.update(self._program[state].next)
        following = _Spot(frozenset(states), is_begin=False, is_after_word=bool(WORD & bit))
        if len(self._spots) >= _SPOTS_MAX:
            self._spots = {self._start: {}, spot: {}}
        self._spots.setdefault(following, {})
        self._spots[spot][code] = following
        return following

    def _reachable(self, spot: _Spot, code: int) -> Iterable[int]:
        """All states that can be reached without taking a character, when `code` comes next."""
        is_before_word = code != _END and bool(WORD >> code & 1)
        holds = {
            Assertion.BEGIN: spot.is_begin,
            Assertion.END: code == _END,
            Assertion.WORD_BOUNDARY: spot.is_after_word != is_before_word,
            Assertion.NO_WORD_BOUNDARY: spot.is_after_word == is_before_word,
        }
        reached = set(spot.states)
        pending = list(reached)
        while pending:
            state = self._program[pending.pop()]
            if state.mask or (state.assertion is not None and not holds[state.assertion]):
                continue
            for following in state.next:
                if following not in reached:
                    reached.add(following)
                    pending.append(following)
        return reached
