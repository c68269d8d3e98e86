"""Sets of characters as numbers: named groups, ranges, and folding of case.

Bit i of a set stands for the i-th character of an alphabet: first ASCII, then what else occurs in the names that are
to be matched. So a set stays small, and an expression means the same as over all of Unicode.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ASCII_COUNT: Final = 128
_ASCII: Final = (1 << _ASCII_COUNT) - 1
_UPPER: Final = ((1 << 26) - 1) << ord("A")
_LOWER: Final = ((1 << 26) - 1) << ord("a")


def _of(*ranges: tuple[str, str]) -> int:
    mask = 0
    for low, high in ranges:
        mask |= (1 << ord(high) + 1) - (1 << ord(low))
    return mask


_DIGIT: Final = _of(("0", "9"))
_ALPHA: Final = _UPPER | _LOWER
WORD: Final = _DIGIT | _ALPHA | 1 << ord("_")

_PERL = {"d": _DIGIT, "s": _of(("\t", "\n"), ("\f", "\r"), (" ", " ")), "w": WORD}
_POSIX = {
    "alnum": _DIGIT | _ALPHA,
    "alpha": _ALPHA,
    "ascii": _ASCII,
    "blank": _of(("\t", "\t"), (" ", " ")),
    "cntrl": _of(("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": _DIGIT,
    "graph": _of(("!", "~")),
    "lower": _LOWER,
    "print": _of((" ", "~")),
    "punct": _of(("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": _of(("\t", "\r"), (" ", " ")),
    "upper": _UPPER,
    "word": WORD,
    "xdigit": _DIGIT | _of(("A", "F"), ("a", "f")),
}

_CATEGORY_NAMES = "C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs"
_SCRIPT_NAMES = (
    "Arabic Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal "
    "Carian Cham Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Egyptian_Hieroglyphs Ethiopic "
    "Georgian Glagolitic Gothic Greek Gujarati Gurmukhi Han Hangul Hanunoo Hebrew Hiragana Imperial_Aramaic Inherited "
    "Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khmer Lao Latin "
    "Lepcha Limbu Linear_B Lisu Lycian Lydian Malayalam Mandaic Meetei_Mayek Mongolian Myanmar New_Tai_Lue Nko Ogham "
    "Ol_Chiki Old_Italic Old_Persian Old_South_Arabian Old_Turkic Oriya Osmanya Phags_Pa Phoenician Rejang Runic "
    "Samaritan Saurashtra Shavian Sinhala Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet "
    "Tamil Telugu Thaana Thai Tibetan Tifinagh Ugaritic Unknown Vai Yi"
)
_CATEGORIES = frozenset(_CATEGORY_NAMES.split())
_SCRIPTS = frozenset(_SCRIPT_NAMES.split())


_FOLDS_TO_ASCII: Final = {"s": "\u017f", "k": "\u212a"}
"""The long s and the Kelvin sign are the only characters beyond ASCII that fold into it."""


class Alphabet:
    """ASCII and `others`, whose ASCII characters count once."""

    __slots__ = ("_characters", "_families", "_numbers", "all", "not_newline")

    def __init__(self, others: str = "") -> None:
        beyond = sorted({character for character in others if not character.isascii()})
        self._characters = [chr(code) for code in range(_ASCII_COUNT)] + beyond
        self._numbers = {character: number for number, character in enumerate(self._characters)}
        self._families: dict[str, int] = {}
        for number, character in enumerate(self._characters):
            self._families[_base(character)] = self._families.get(_base(character), 0) | 1 << number
        self.all = (1 << len(self._characters)) - 1
        self.not_newline = self.all & ~(1 << ord("\n"))

    def numbers(self, name: str) -> list[int] | None:
        """The characters of a name; None when one of them is not in the alphabet."""
        numbers = [self._numbers.get(character, -1) for character in name]
        return None if -1 in numbers else numbers

    def range(self, low: int, high: int) -> int:
        """The characters from code `low` to `high`."""
        last = min(high, _ASCII_COUNT - 1)
        mask = (1 << last + 1) - (1 << low) if low <= last else 0
        return mask | self._beyond(lambda character: low <= ord(character) <= high)

    def folded_range(self, low: int, high: int) -> int:
        """The characters that differ from one of the range by no more than case."""
        mask = 0
        if high - low < len(self._families):
            for code in range(low, high + 1):
                mask |= self._families.get(_base(chr(code)), 0)
            return mask
        for base, family in self._families.items():
            if any(low <= ord(case) <= high for case in _cases(base)):
                mask |= family
        return mask

    def folded(self, mask: int) -> int:
        """The set with all cases of each of its letters."""
        return sum(family for family in self._families.values() if family & mask)

    def without(self, mask: int) -> int:
        """All characters but these."""
        return self.all & ~mask

    def perl_group(self, letter: str) -> int | None:
        """The set of an escape, by the letter behind the backslash; None for a letter that names none."""
        mask = _PERL.get(letter.lower())
        return mask if mask is None or letter.islower() else self.without(mask)

    def posix_group(self, name: str) -> int | None:
        """The set of a name between `[:` and `:]`; None for an unknown one."""
        mask = _POSIX.get(name.removeprefix("^"))
        return self.without(mask) if mask is not None and name.startswith("^") else mask

    def unicode_group(self, name: str, *, fold: bool) -> int | None:
        """The characters of a Unicode category or script; None for a name that RE2/J does not know."""
        if name == "Any":
            return self.all
        if name in _CATEGORIES:
            mask = 0
            for number, character in enumerate(self._characters):
                if unicodedata.category(character).startswith(name):
                    mask |= 1 << number
            return self.folded(mask) if fold else mask
        if name not in _SCRIPTS:
            return None
        mask = {"Common": _ASCII & ~_ALPHA, "Latin": _ALPHA}.get(name, 0)
        return mask | self._beyond(lambda character: _script(character) == name)

    def _beyond(self, belongs: Callable[[str], bool]) -> int:
        mask = 0
        for number in range(_ASCII_COUNT, len(self._characters)):
            if belongs(self._characters[number]):
                mask |= 1 << number
        return mask


def _base(character: str) -> str:
    """What all cases of a letter have in common."""
    upper = character.upper()
    lower = upper.lower() if len(upper) == 1 else character
    return lower if len(lower) == 1 else character


def _cases(base: str) -> set[str]:
    return {case for case in (base, base.upper(), _FOLDS_TO_ASCII.get(base, base)) if len(case) == 1}


def _script(character: str) -> str:
    """The script of a character beyond ASCII, by its Unicode name."""
    name = unicodedata.name(character, "")
    if name.startswith("CJK UNIFIED IDEOGRAPH"):
        return "Han"
    return next((script for script in _SCRIPTS if name.startswith(f"{script.upper().replace('_', ' ')} ")), "Common")
