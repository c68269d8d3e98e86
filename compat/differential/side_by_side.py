"""Asks two brokers the same, and says version by version how their answers compare."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from ..brokers import OPTIONS
from ..wire import advertised_versions, response_of
from .compare import Difference, differences
from .play import NEVER, NO_ANSWER, NotInThisVersion, Stage, play
from .world import SUITE, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..brokers import Broker
    from .case import Case
    from .gaps import Gap
    from .play import Step


class Compared(NamedTuple):
    """One case in one version."""

    version: int
    unexplained: list[Difference]
    explained: list[tuple[Difference, Gap]]
    errors: frozenset[int] = frozenset()
    """The error codes in what the reference answered from the API that the case is about."""


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
        in_vain = [step for step in heard if step.answered in (NEVER, NO_ANSWER)]
        assert not in_vain, f"the case waits for what the reference never does: {in_vain}"
        return ours, heard

    def compare(self, case: Case, gaps: Iterable[Gap]) -> Iterator[Compared]:
        """Every version in which the case can be played, one after the other."""
        for version in self.versions(case):
            try:
                ours, theirs = self.transcripts(case, version)
            except NotInThisVersion:
                continue
            yield _explain(case, version, differences(ours, theirs), gaps, _errors(case, theirs))


def _errors(case: Case, steps: list[Step]) -> frozenset[int]:
    name = response_of(case.api).__name__ if case.api else ""
    return frozenset().union(*(step.errors for step in steps if step.asked.startswith(f"{name} v")))


def _explain(
    case: Case, version: int, found: list[Difference], gaps: Iterable[Gap], errors: frozenset[int] = frozenset()
) -> Compared:
    compared = Compared(version, [], [], errors)
    for difference in found:
        gap = next((gap for gap in gaps if gap.covers(case.id, version, difference)), None)
        if gap is None:
            compared.unexplained.append(difference)
        else:
            compared.explained.append((difference, gap))
    return compared


def side_by_side_of(broker: Broker, reference: Broker) -> SideBySide:
    """Two brokers made ready. Where they are one, each of the two sides has names of its own."""
    run = uuid.uuid4().hex[:6]
    ours = advertised_versions(broker.bootstrap_servers)
    theirs = advertised_versions(reference.bootstrap_servers)
    highest = {key: min(theirs[key][1], ours[key][1]) for key in theirs.keys() & ours.keys()}
    return SideBySide(
        ours=_stage(broker, highest, f"{SUITE}{run}a-"),
        theirs=_stage(reference, highest, f"{SUITE}{run}b-"),
        our_versions=ours,
        their_versions=theirs,
    )


def _stage(broker: Broker, highest: dict[int, int], namespace: str) -> Stage:
    world = World(broker, highest, f"{namespace}first-", 0)
    # The internal topics are made by whoever asks first; all cases find them there.
    world.group()
    world.transactional_id()
    for name, option in (
        ("__consumer_offsets", "offsets.topic.num.partitions"),
        ("__transaction_state", "transaction.state.log.num.partitions"),
    ):
        world.await_leaders(name, int(OPTIONS[option]))
    world.close()
    return Stage(broker, highest, namespace)
