"""Every case of the catalogue and every sequence, on the broker and on Apache Kafka."""

from __future__ import annotations

from collections import defaultdict

import pytest

from ..version_ranges import ranges
from .case import cases_in
from .documented_errors import DOCUMENTED, reached
from .gaps import known_gaps

_SHOWN = 15
_WIDTH = 500
CASES = [*cases_in(f"{__package__}.catalogue"), *cases_in(f"{__package__}.sequences")]
GAPS = known_gaps()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_answers_as_apache_kafka(case, side_by_side, findings):
    gaps = GAPS if side_by_side.ours.broker.kind == "ottla" else []
    if case.api and case.api.api_key not in side_by_side.our_versions:
        pytest.skip(f"{case.api.__name__.removesuffix('Request')} is not advertised by this broker")
    compared = list(side_by_side.compare(case, gaps))
    findings.note_case(case, compared)
    assert compared, "no version carries what this case sets"
    wrong = _by_difference(compared)
    assert not wrong, "\n".join([f"{case.id} is answered differently", *(line[:_WIDTH] for line in wrong[:_SHOWN])])


def _by_difference(compared) -> list[str]:
    """Each difference once, with the versions in which it is there."""
    seen = defaultdict(list)
    for one in compared:
        for difference in one.unexplained:
            seen[difference.key].append((one.version, difference))
    return [f"version {ranges([v for v, _ in places])}, {places[0][1]}" for places in seen.values()]


def test_known_gaps_are_about_cases_that_exist():
    assert not [gap for gap in GAPS if not any(gap.is_about(case.id) for case in CASES)]


def test_every_documented_error_was_answered(side_by_side, findings):
    """By the reference, in a case about that API. Only those APIs count whose cases have all run."""
    ran = {finding.id for finding in findings.cases}
    whole = [key for key in DOCUMENTED if {case.id for case in CASES if case.api and case.api.api_key == key} <= ran]
    missing = [f"{key.name} {error.name}" for key in whole for error in reached(key, findings.errors_of(key)).missing]
    assert not missing, "no case brings these about, and nothing says why none can: " + ", ".join(missing)


def test_known_gaps_still_differ(broker, findings):
    """Only those count whose cases have all run."""
    if broker.kind != "ottla":
        pytest.skip("the gaps that are known are Ottla's")
    ran = {finding.id for finding in findings.cases}
    used = {gap for finding in findings.cases for one in finding.compared for _, gap in one.explained}
    stale = [gap for gap in GAPS if gap not in used and {case.id for case in CASES if gap.is_about(case.id)} <= ran]
    assert not stale, f"these known gaps no longer differ: {stale}"
