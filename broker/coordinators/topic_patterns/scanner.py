"""The text of an expression, read from front to back, and the escapes of single characters in it."""

from __future__ import annotations

from typing import Final

from .nodes import PatternError

_MAX_CODE: Final = 0x10FFFF
_OCTAL = "01234567"
_HEX = "0123456789abcdefABCDEF"
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_DIGITS_MAX: Final = 8
_TOO_MUCH: Final = 1 << 31


class Scanner:
    """A position in a text; `take`, `skip` and what builds on them move it."""

    __slots__ = ("_text", "position")

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self.position < len(self._text)

    def peek(self, ahead: int = 0) -> str:
        """The character `ahead` of the next one, empty behind the end."""
        at = self.position + ahead
        return self._text[at : at + 1]

    def at(self, piece: str) -> bool:
        """Whether the piece comes next."""
        return self._text.startswith(piece, self.position)

    def skip(self, count: int) -> None:
        """Pass over characters."""
        self.position += count

    def take(self) -> str:
        """The next character, which must be there."""
        char = self._text[self.position]
        self.position += 1
        return char

    def peek_up_to(self, end: str, ahead: int = 0) -> str | None:
        """What stands before `end`, from `ahead` on; None without an end."""
        start = self.position + ahead
        found = self._text.find(end, start)
        return None if found < 0 else self._text[start:found]

    def up_to(self, end: str) -> str | None:
        """Take what stands before `end`, and `end`; None, with nothing taken, without an end."""
        found = self.peek_up_to(end)
        if found is not None:
            self.skip(len(found) + len(end))
        return found

    def quoted(self) -> str:
        """Take what stands before the end of a quotation, which may be the end of the text."""
        found = self.up_to("\\E")
        if found is None:
            found = self._text[self.position :]
            self.position = len(self._text)
        return found

    def number(self) -> int | None:
        """Take a number without leading zeros; None where there is none. One that is far too large is just that."""
        start = self.position
        while self.peek() and self.peek() in "0123456789":
            self.skip(1)
        digits = self._text[start : self.position]
        if not digits or (len(digits) > 1 and digits[0] == "0"):
            return None
        return int(digits) if len(digits) <= _DIGITS_MAX else _TOO_MUCH

    def escaped(self) -> int:
        """Take an escape of one character, backslash first; return its code. Raises PatternError."""
        self.skip(1)
        if not self.more:
            raise PatternError("trailing backslash at end of expression")
        char = self.take()
        if not (char.isascii() and char.isalnum()):
            return ord(char)
        code = self._escape_of(char)
        if code is None:
            raise PatternError("invalid escape sequence")
        return code

    def _escape_of(self, char: str) -> int | None:
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            return self._hex()
        if char == "0" or (char in _OCTAL and self.peek() and self.peek() in _OCTAL):
            digits = char
            while len(digits) < 3 and self.peek() and self.peek() in _OCTAL:
                digits += self.take()
            return int(digits, 8)
        return None

    def _hex(self) -> int | None:
        digits: str | None = self._text[self.position : self.position + 2]
        if digits is not None and digits.startswith("{"):
            self.skip(1)
            digits = self.up_to("}")
        elif digits is not None and len(digits) == 2:
            self.skip(2)
        else:
            return None
        if not digits or any(digit not in _HEX for digit in digits):
            return None
        code = int(digits.lstrip("0")[:_DIGITS_MAX] or "0", 16)
        return code if code <= _MAX_CODE else None
