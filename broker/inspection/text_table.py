"""Tables and amounts as people read them in a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP: Final = "  "
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SHORTEST: Final = 12
_CUT: Final = ".."


class Column(NamedTuple):
    """A column of a table; numbers stand at its right side."""

    title: str
    right: bool = False


def number(title: str) -> Column:
    """A column of numbers."""
    return Column(title, right=True)


def render(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """The lines of a table. Within `width` characters the widest texts are cut; None cuts nothing."""
    cells = [[column.title for column in columns], *([printable(text) for text in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    if width is not None:
        _narrow(columns, widths, width)
    return [_line(columns, widths, row) for row in cells]


def _narrow(columns: Sequence[Column], widths: list[int], width: int) -> None:
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        texts = [index for index, column in enumerate(columns) if not column.right]
        widest = max(texts, key=widths.__getitem__, default=-1)
        if widest < 0 or widths[widest] <= _SHORTEST:
            return
        widths[widest] -= 1
        excess -= 1


def _line(columns: Sequence[Column], widths: list[int], row: Sequence[str]) -> str:
    cells = []
    for column, room, text in zip(columns, widths, row, strict=True):
        shown = text if len(text) <= room else text[: room - len(_CUT)] + _CUT
        cells.append(shown.rjust(room) if column.right else shown.ljust(room))
    return GAP.join(cells).rstrip()


def printable(text: str) -> str:
    """The text with every character that is not for reading as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def bytes_text(count: int) -> str:
    """An amount of bytes with a unit: 1023 B, 1.0 KiB, 12.3 MiB."""
    amount = float(count)
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def time_text(timestamp_ms: int) -> str:
    """A wall-clock time in UTC to the second; `-` for none."""
    if timestamp_ms < 0:
        return "-"
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(timestamp_ms)


def count_text(count: int, one: str, many: str | None = None) -> str:
    """`1 segment`, `2 segments`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
