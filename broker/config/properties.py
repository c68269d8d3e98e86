r"""Java's properties format, as `server.properties` uses it (java.util.Properties.load).

Keys end at the first unescaped `=`, `:` or blank; `#` and `!` open comments; an odd number of backslashes at the
end of a line continues it; `\t \n \r \f` and `\uXXXX` are escapes, any other escaped character stands for itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE_END_RE = re.compile(r"\r\n|\r|\n")
_KEY_RE = re.compile(r"(?:\\.|[^\\=: \t\f])*", re.DOTALL)
_SEPARATOR_RE = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")
_ESCAPE_RE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_BLANKS = " \t\f"
_NAMED_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class Property(NamedTuple):
    """One entry and the line it begins on."""

    key: str
    value: str
    line: int


def parse_properties(text: str, file_name: str) -> Iterator[Property]:
    """The entries of `text` in order, repeated keys included; ConfigError names the line of a malformed escape."""
    for line, logical in _logical_lines(text):
        key = _KEY_RE.match(logical)
        assert key is not None  # it matches the empty string
        separator = _SEPARATOR_RE.match(logical, key.end())
        assert separator is not None
        where = f"{file_name}:{line}"
        yield Property(_unescape(key[0], where), _unescape(logical[separator.end() :], where), line)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations joined, without comments and blank lines, each with its first line's number."""
    first, joined = 0, ""
    for number, raw in enumerate(_LINE_END_RE.split(text), 1):
        line = raw.lstrip(_BLANKS)
        if not first:
            if not line or line[0] in "#!":
                continue
            first = number
        is_continued = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        joined += line[:-1] if is_continued else line
        if not is_continued:
            yield first, joined
            first, joined = 0, ""
    if first:
        yield first, joined


def _unescape(text: str, where: str) -> str:
    if "\\" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if escaped == "u":
            raise ConfigError(f"{where}: malformed \\uXXXX escape: four hexadecimal digits must follow \\u")
        return _NAMED_ESCAPES.get(escaped, escaped)

    unescaped = _ESCAPE_RE.sub(replacement, text)
    # Java's strings are UTF-16: a character beyond the first plane is written as two escapes.
    return unescaped.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
