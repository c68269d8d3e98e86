"""RE2's syntax, as RE2/J 1.8 reads it with the flags that Kafka gives it: Perl's classes and groups, Unicode groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from .nodes import Assertion, Chars, Choice, Node, PatternError, Repeat, Sequence
from .scanner import Scanner

if TYPE_CHECKING:
    from .alphabet import Alphabet

_NESTING_MAX: Final = 100
_REPEATS_MAX: Final = 1000
_REPEATS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_ASSERTIONS = {
    "A": Assertion.BEGIN,
    "z": Assertion.END,
    "b": Assertion.WORD_BOUNDARY,
    "B": Assertion.NO_WORD_BOUNDARY,
}


def parse(text: str, alphabet: Alphabet) -> Node:
    """The tree of an expression over an alphabet. Raises PatternError."""
    return _Parser(text, alphabet).parse()


@dataclass(slots=True)
class _Flags:
    fold: bool = False
    dot_all: bool = False

    def copy(self) -> _Flags:
        return _Flags(self.fold, self.dot_all)


@dataclass(slots=True)
class _Group:
    """An open parenthesis: what is behind it, and the flags to go back to."""

    outer_flags: _Flags
    options: list[Node] = field(default_factory=list)
    parts: list[Node] = field(default_factory=list)

    def close_option(self) -> None:
        self.options.append(self.parts[0] if len(self.parts) == 1 else Sequence(tuple(self.parts)))
        self.parts = []

    def node(self) -> Node:
        self.close_option()
        return self.options[0] if len(self.options) == 1 else Choice(tuple(self.options))


class _Parser:
    def __init__(self, text: str, alphabet: Alphabet) -> None:
        self._scan = Scanner(text)
        self._alphabet = alphabet
        self._flags = _Flags()
        self._groups = [_Group(self._flags)]
        self._names: set[str] = set()

    def parse(self) -> Node:
        after_repeat = False
        while self._scan.more:
            after_repeat = self._next(after_repeat=after_repeat)
        if len(self._groups) > 1:
            _fail("missing closing )")
        return self._groups[0].node()

    def _next(self, *, after_repeat: bool) -> bool:
        """Take the next piece; return whether it was a repetition."""
        char = self._scan.peek()
        if char in _REPEATS:
            self._scan.skip(1)
            self._repeat(*_REPEATS[char], after_repeat=after_repeat)
            return True
        if char == "{":
            limits = self._limits()
            if limits is not None:
                self._repeat(*limits, after_repeat=after_repeat)
            else:
                self._piece(char)
            return True  # even where it is a plain brace: RE2/J lets no repetition follow one
        self._piece(char)
        return False

    def _piece(self, char: str) -> None:
        scan = self._scan
        if scan.at("(?"):
            self._special_group()
        elif char == "[":
            self._push(Chars(self._class()))
        elif char == "\\":
            self._escape()
        else:
            scan.skip(1)
            self._plain(char)

    def _plain(self, char: str) -> None:
        if char == "(":
            self._open(self._flags)
        elif char == ")":
            self._close()
        elif char == "|":
            self._groups[-1].close_option()
        elif char in "^$":
            # With (?m) these are ends of lines; a name has one line.
            self._push(Assertion.BEGIN if char == "^" else Assertion.END)
        elif char == ".":
            self._push(Chars(self._alphabet.all if self._flags.dot_all else self._alphabet.not_newline))
        else:
            self._literal(ord(char))

    def _push(self, node: Node) -> None:
        self._groups[-1].parts.append(node)

    def _literal(self, code: int) -> None:
        self._push(Chars(self._range(code, code)))

    def _range(self, low: int, high: int) -> int:
        return self._alphabet.folded_range(low, high) if self._flags.fold else self._alphabet.range(low, high)

    # ---- repetition

    def _repeat(self, low: int, high: int | None, *, after_repeat: bool) -> None:
        if self._scan.at("?"):
            self._scan.skip(1)  # not greedy: the same names match
        if after_repeat:
            _fail("invalid nested repetition operator")
        parts = self._groups[-1].parts
        if not parts:
            _fail("missing argument to repetition operator")
        parts[-1] = Repeat(parts[-1], low, high)

    def _limits(self) -> tuple[int, int | None] | None:
        """The limits in braces; None, with nothing taken, where the brace is a character like any other."""
        scan = self._scan
        start = scan.position
        scan.skip(1)
        low = scan.number()
        high: int | None = low
        if low is not None and scan.at(","):
            scan.skip(1)
            high = None if scan.at("}") else scan.number()
            if high is None and not scan.at("}"):
                low = None
        if low is None or not scan.at("}"):
            scan.position = start
            return None
        scan.skip(1)
        if low > _REPEATS_MAX or (high is not None and not low <= high <= _REPEATS_MAX):
            _fail("invalid repeat count")
        return low, high

    # ---- groups

    def _open(self, inner_flags: _Flags) -> None:
        if len(self._groups) > _NESTING_MAX:
            _fail("expression nests too deeply")
        self._groups.append(_Group(self._flags))
        self._flags = inner_flags

    def _close(self) -> None:
        if len(self._groups) == 1:
            # That is what RE2/J says to a parenthesis that none opens.
            _fail("regexp/syntax: internal error")
        group = self._groups.pop()
        self._flags = group.outer_flags
        self._push(group.node())

    def _special_group(self) -> None:
        scan = self._scan
        for opening in ("(?P<", "(?<"):
            if scan.at(opening):
                scan.skip(len(opening))
                self._name(scan.up_to(">"))
                self._open(self._flags)
                return
        scan.skip(2)
        self._set_flags()

    def _name(self, name: str | None) -> None:
        if not name or not name.isascii() or not name.replace("_", "a").isalnum():
            _fail("invalid named capture")
        if name in self._names:
            _fail("duplicate capture group name")
        self._names.add(name)

    def _set_flags(self) -> None:
        """Flags behind `(?`, for the rest of the group, or for a group of their own."""
        flags = self._flags.copy()
        value = True
        is_bare_minus = False
        while self._scan.more:
            char = self._scan.take()
            if char in "imsU":
                is_bare_minus = False
                flags.fold = value if char == "i" else flags.fold
                flags.dot_all = value if char == "s" else flags.dot_all
            elif char == "-" and value:
                value, is_bare_minus = False, True
            elif char in ":)" and not is_bare_minus:
                if char == ":":
                    self._open(flags)
                else:
                    self._flags = flags
                return
            else:
                break
        _fail("invalid or unsupported Perl syntax")

    # ---- escapes

    def _escape(self) -> None:
        scan = self._scan
        letter = scan.peek(1)
        if letter in _ASSERTIONS:
            scan.skip(2)
            self._push(_ASSERTIONS[letter])
        elif letter == "C":
            _fail("invalid escape sequence")
        elif letter == "Q":
            scan.skip(2)
            for char in scan.quoted():
                self._literal(ord(char))
        else:
            mask = self._group_escape()
            if mask is None:
                self._literal(scan.escaped())
            else:
                self._push(Chars(mask))

    def _group_escape(self) -> int | None:
        """The set of an escape like \\d or \\pL; None, with nothing taken, for an escape of one character."""
        scan = self._scan
        letter = scan.peek(1)
        if letter and letter in "pP":
            scan.skip(2)
            return self._unicode_group(negate=letter == "P")
        mask = self._alphabet.perl_group(letter)
        if mask is None:
            return None
        scan.skip(2)
        return self._group_mask(mask)

    def _group_mask(self, mask: int) -> int:
        return self._alphabet.folded(mask) if self._flags.fold else mask

    def _unicode_group(self, *, negate: bool) -> int:
        scan = self._scan
        if not scan.more:
            _fail("invalid character class range")
        name: str | None = scan.take()
        if name == "{":
            name = scan.up_to("}")
        if name is None:
            _fail("invalid character class range")
        if name.startswith("^"):
            negate, name = not negate, name[1:]
        mask = self._alphabet.unicode_group(name, fold=self._flags.fold)
        if mask is None:
            _fail("invalid character class range")
        return self._alphabet.without(mask) if negate else mask

    # ---- classes

    def _class(self) -> int:
        scan = self._scan
        scan.skip(1)
        negate = scan.at("^")
        if negate:
            scan.skip(1)
        mask = 0
        is_first = True
        while not scan.at("]") or is_first:
            is_first = False
            mask |= self._class_item()
        scan.skip(1)
        return self._alphabet.without(mask) if negate else mask

    def _class_item(self) -> int:
        scan = self._scan
        if scan.at("[:"):
            # The end is looked for from the first colon on, so that "[:]" is a name too, and none that is known.
            name = scan.peek_up_to(":]", 1)
            if name is not None:
                mask = self._alphabet.posix_group(name[1:])
                if not name or mask is None:
                    _fail("invalid character class range")
                scan.skip(len(name) + 3)
                return self._group_mask(mask)
        if scan.at("\\"):
            mask = self._group_escape()
            if mask is not None:
                return mask
        low = high = self._class_char()
        if scan.at("-") and scan.peek(1) != "]":
            scan.skip(1)
            high = self._class_char()
            if high < low:
                _fail("invalid character class range")
        return self._range(low, high)

    def _class_char(self) -> int:
        scan = self._scan
        if not scan.more:
            _fail("missing closing ]")
        return scan.escaped() if scan.at("\\") else ord(scan.take())


def _fail(description: str) -> NoReturn:
    raise PatternError(description)
