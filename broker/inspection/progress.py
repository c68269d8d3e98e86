"""How far a long run is: one line on a terminal that is written over and over, nothing anywhere else."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final, Protocol

from .text_table import bytes_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_REDRAW_S: Final = 0.1
_BAR_CHARACTERS: Final = 20
_CLEAR_TO_END: Final = "\x1b[K"


class Progress(Protocol):
    """Told of each file and of the bytes that were read of it."""

    def begin(self, path: str) -> None:
        """The next file."""
        ...

    def advance(self, count: int) -> None:
        """So many bytes more are done."""
        ...

    def end(self) -> None:
        """Nothing more comes; the line goes away."""
        ...


class Tally:
    """Counts and shows nothing."""

    def __init__(self) -> None:
        self.bytes_done = 0

    def begin(self, path: str) -> None:
        """Nothing to show."""

    def advance(self, count: int) -> None:
        """Count."""
        self.bytes_done += count

    def end(self) -> None:
        """Nothing to clear."""


class ProgressBar(Tally):
    """A bar, the bytes done of all, the rate and the file, drawn at most ten times a second."""

    def __init__(self, stream: TextIO, bytes_total: int, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._stream = stream
        self._bytes_total = bytes_total
        self._now_s = now_s
        self._started_s = self._drawn_s = now_s()
        self._file = ""

    def begin(self, path: str) -> None:
        """Show the partition and the file."""
        self._file = os.path.join(os.path.basename(os.path.dirname(path)), os.path.basename(path))
        self._draw_if_due()

    def advance(self, count: int) -> None:
        """Count, and draw when it is time."""
        self.bytes_done += count
        self._draw_if_due()

    def end(self) -> None:
        """Clear the line."""
        self._stream.write("\r" + _CLEAR_TO_END)
        self._stream.flush()

    def _draw_if_due(self) -> None:
        now_s = self._now_s()
        if now_s - self._drawn_s >= _REDRAW_S:
            self._drawn_s = now_s
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + self.line(now_s)[:width] + _CLEAR_TO_END)
            self._stream.flush()

    def line(self, now_s: float) -> str:
        """What is drawn."""
        share = min(self.bytes_done / self._bytes_total, 1.0) if self._bytes_total else 1.0
        filled = int(share * _BAR_CHARACTERS)
        bar = "#" * filled + "." * (_BAR_CHARACTERS - filled)
        rate = self.bytes_done / max(now_s - self._started_s, 0.001)
        return (
            f"[{bar}] {share:4.0%}  {bytes_text(self.bytes_done)} of {bytes_text(self._bytes_total)}  "
            f"{bytes_text(int(rate))}/s  {self._file}"
        )
