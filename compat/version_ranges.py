"""Versions as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def ranges(versions: Iterable[int]) -> str:
    """`0-3, 5` for 0, 1, 2, 3 and 5."""
    found: list[list[int]] = []
    for version in sorted(set(versions)):
        if found and found[-1][1] == version - 1:
            found[-1][1] = version
        else:
            found.append([version, version])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in found)
