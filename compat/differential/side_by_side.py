"""Asks two brokers the same, and says version by version how their answers compare."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from .compare import Difference, differences
from .play import NO_ANSWER, NotInThisVersion, Stage, play

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .case import Case
    from .gaps import Gap
    from .play import Step


class Compared(NamedTuple):
    """One case in one version."""

    version: int
    unexplained: list[Difference]
    explained: list[tuple[Difference, Gap]]


class SideBySide(NamedTuple):
    """The broker under test and Apache Kafka."""

    ours: Stage
    theirs: Stage
    our_versions: dict[int, tuple[int, int]]
    their_versions: dict[int, tuple[int, int]]

    def versions(self, case: Case) -> Iterable[int]:
        """The versions in which a case can be played: advertised by both, and wanted by it."""
        if case.api is None:
            return (0,)
        key = case.api.api_key
        if key not in self.our_versions or key not in self.their_versions:
            return ()
        lowest = max(self.our_versions[key][0], self.their_versions[key][0], case.api.versions.lowest)
        highest = min(self.our_versions[key][1], self.their_versions[key][1], case.api.versions.highest)
        return (version for version in range(lowest, highest + 1) if version in case.versions)

    def transcripts(self, case: Case, version: int) -> tuple[list[Step], list[Step]]:
        """What both answered. Raises NotInThisVersion."""
        if case.is_alone and self.ours.broker is self.theirs.broker:
            return play(case, version, self.ours), play(case, version, self.theirs)
        with ThreadPoolExecutor(1) as pool:
            theirs = pool.submit(play, case, version, self.theirs)
            ours = play(case, version, self.ours)
            heard = theirs.result()
        assert all(step.answered != NO_ANSWER for step in heard), "a case waits for what the reference never answers"
        return ours, heard

    def compare(self, case: Case, gaps: Iterable[Gap]) -> list[Compared]:
        """Every version in which the case can be played."""
        compared = []
        for version in self.versions(case):
            try:
                ours, theirs = self.transcripts(case, version)
            except NotInThisVersion:
                continue
            compared.append(_explain(case, version, differences(ours, theirs), gaps))
        return compared


def _explain(case: Case, version: int, found: list[Difference], gaps: Iterable[Gap]) -> Compared:
    compared = Compared(version, [], [])
    for difference in found:
        gap = next((gap for gap in gaps if gap.covers(case.id, version, difference)), None)
        if gap is None:
            compared.unexplained.append(difference)
        else:
            compared.explained.append((difference, gap))
    return compared
