"""Sets of ASCII characters as numbers: named groups, ranges, and folding of case."""

from __future__ import annotations

import unicodedata
from typing import Final

ALL: Final = (1 << 128) - 1
NOT_NEWLINE: Final = ALL & ~(1 << ord("\n"))
_UPPER: Final = ((1 << 26) - 1) << ord("A")
_LOWER: Final = ((1 << 26) - 1) << ord("a")
_CASE_DISTANCE: Final = ord("a") - ord("A")
_MAX_ASCII: Final = 127
_FOLDS_TO_ASCII: Final = {0x17F: ord("s"), 0x212A: ord("k")}
"""The long s and the Kelvin sign are the only characters beyond ASCII that fold into it."""


def range_mask(low: int, high: int) -> int:
    """The ASCII characters from code `low` to `high`."""
    high = min(high, _MAX_ASCII)
    return (1 << high + 1) - (1 << low) if low <= high else 0


def folded(mask: int) -> int:
    """The set with both cases of each of its letters."""
    return mask | (mask & _UPPER) << _CASE_DISTANCE | (mask & _LOWER) >> _CASE_DISTANCE


def folded_range(low: int, high: int) -> int:
    """The ASCII characters that differ from one of the range by no more than case."""
    mask = range_mask(low, high)
    for code, letter in _FOLDS_TO_ASCII.items():
        if low <= code <= high:
            mask |= 1 << letter
    return folded(mask)


def _of(*ranges: tuple[str, str]) -> int:
    mask = 0
    for low, high in ranges:
        mask |= range_mask(ord(low), ord(high))
    return mask


_DIGIT: Final = _of(("0", "9"))
_ALPHA: Final = _UPPER | _LOWER
WORD: Final = _DIGIT | _ALPHA | 1 << ord("_")

_PERL = {"d": _DIGIT, "s": _of(("\t", "\n"), ("\f", "\r"), (" ", " ")), "w": WORD}
PERL_GROUPS: Final = _PERL | {letter.upper(): ALL & ~mask for letter, mask in _PERL.items()}
"""By the letter behind the backslash."""

_POSIX = {
    "alnum": _DIGIT | _ALPHA,
    "alpha": _ALPHA,
    "ascii": ALL,
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
POSIX_GROUPS: Final = _POSIX | {f"^{name}": ALL & ~mask for name, mask in _POSIX.items()}
"""By the name between `[:` and `:]`."""

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


def unicode_group(name: str, *, fold: bool) -> int | None:
    """The ASCII characters of a Unicode category or script; None for a name that RE2/J does not know."""
    if name == "Any":
        return ALL
    if name in _CATEGORIES:
        mask = 0
        for code in range(_MAX_ASCII + 1):
            if unicodedata.category(chr(code)).startswith(name):
                mask |= 1 << code
        return folded(mask) if fold else mask
    if name not in _SCRIPTS:
        return None
    if name == "Common":
        return ALL & ~_ALPHA
    return _ALPHA if name == "Latin" else 0
