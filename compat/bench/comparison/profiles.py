"""A broker's profile as text: where its own time went, function by function."""

from __future__ import annotations

import io
import pstats
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FUNCTIONS = 40


def write_readable(profile: Path, rows: Sequence[str]) -> Path | None:
    """Beside what cProfile wrote, the functions with the most time of their own; None where nothing was profiled."""
    text = io.StringIO()
    try:
        found = pstats.Stats(str(profile), stream=text)
    except (OSError, TypeError):
        return None
    text.write("The broker's loop while it was measured:\n")
    text.writelines(f"    {row}\n" for row in rows)
    text.write("\n")
    found.strip_dirs().sort_stats("tottime").print_stats(FUNCTIONS)
    readable = profile.with_name(f"{profile.name}.txt")
    readable.write_text("\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")
    return readable
