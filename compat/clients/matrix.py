"""Clients x features, as a page shows them: what each program showed in one run, and which did not run and why."""

from __future__ import annotations

from collections import defaultdict

import pytest

from .features import KAFKA_SAYS

SHORT = {
    **{f"produce_{codec}": f"produce, {codec}" for codec in ("none", "gzip", "snappy", "lz4", "zstd")},
    "consumer_protocol": "KIP-848 group",
}


class ClientRuns:
    """Filled by the tests, one program after the other."""

    def __init__(self) -> None:
        self.showed: dict[str, dict[str, bool]] = defaultdict(dict)
        self.skipped: dict[str, str] = {}
        self.building_s = 0.0

    def lines(self) -> list[str]:
        """A table of the features that every client may have, a line for each program with others, and the absent."""
        if not self.showed and not self.skipped:
            return []
        common = [name for name in sorted(self.showed) if self.showed[name].keys() & KAFKA_SAYS.keys()]
        return [
            "## Clients",
            "",
            "Each client's ordinary use; a program passes when it sees what Apache Kafka shows it. Empty: the client "
            "has not got it, or shows it otherwise than by an answer of the broker.",
            "",
            *_table(common, self.showed),
            "",
            *(f"- {name}: {_others(features)}" for name, features in sorted(self.showed.items()) if name not in common),
            *(f"- {name} did not run: {reason}" for name, reason in sorted(self.skipped.items())),
            "",
        ]


CLIENT_RUNS: pytest.StashKey[ClientRuns] = pytest.StashKey()


def _table(programs: list[str], showed: dict[str, dict[str, bool]]) -> list[str]:
    head = "| | " + " | ".join(_heading(name) for name in programs) + " |"
    rows = [
        f"| {SHORT.get(feature, feature.replace('_', ' '))} | "
        + " | ".join(_mark(showed[name].get(feature)) for name in programs)
        + " |"
        for feature in KAFKA_SAYS
    ]
    return [head, "|---|" + ":-:|" * len(programs), *rows]


def _heading(program: str) -> str:
    return program.partition("-")[2]


def _mark(passed: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[passed]


def _others(features: dict[str, bool]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_mark(passed)}" for name, passed in features.items())
