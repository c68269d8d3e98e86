"""The differences that are known: `compat/known_gaps.toml`.

    [[gap]]
    case = "list_offsets/by_time"              # where it is seen; * stands for anything
    fields = ["topics[].partitions[].offset"]  # what differs: any entry of an array, one by its name; * at the end
    versions = "4+"                            # all versions without it
    reason = "why it cannot be as in Kafka"

A gap that no longer differs is an error: the file is never longer than what is true.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ottla.protocol.schema import Versions

if TYPE_CHECKING:
    from .compare import Difference

KNOWN_GAPS = Path(__file__).parents[1] / "known_gaps.toml"


class Gap(NamedTuple):
    """One known difference, in one field of some cases."""

    case: str
    field: str
    versions: Versions
    reason: str

    def is_about(self, case: str) -> bool:
        return fnmatchcase(case, self.case)

    def covers(self, case: str, version: int, difference: Difference) -> bool:
        below = self.field.removesuffix("*")
        at = self.field in (difference.path, difference.field)
        at = at or (below != self.field and difference.path.startswith(below))
        return at and version in self.versions and self.is_about(case)


def known_gaps(path: Path = KNOWN_GAPS) -> list[Gap]:
    """Read the file. Raises KeyError where an entry lacks something."""
    return [
        Gap(entry["case"], field, Versions.parse(entry.get("versions", "0+")), entry["reason"])
        for entry in tomllib.loads(path.read_text()).get("gap", [])
        for field in entry["fields"]
    ]
