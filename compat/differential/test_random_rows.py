"""Rows of requests by chance; the first that is answered differently is cut down to what it takes.

OTTLA_COMPAT_SEEDS says how many rows are sent.
"""

from __future__ import annotations

import itertools
import os

import pytest

from .case import Case
from .random_steps import RandomStep, random_row, script_of, shortest

SEEDS = int(os.environ.get("OTTLA_COMPAT_SEEDS", "30"))
STEPS = 60
_numbers = itertools.count()


def differences_of(row, side_by_side):
    case = Case(f"random-{next(_numbers)}", "row", script_of(row), None)
    return [difference for one in side_by_side.compare(case, []) for difference in one.unexplained]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_rows_by_chance_are_answered_alike(seed, side_by_side):
    row = random_row(seed, STEPS)
    if not differences_of(row, side_by_side):
        return
    cut = shortest(row, lambda part: bool(differences_of(part, side_by_side)))
    found = differences_of(cut, side_by_side)
    lines = [*map(str, cut), *(str(difference) for difference in found)]
    pytest.fail(f"seed {seed} is answered differently; what it takes:\n" + "\n".join(lines))


def test_a_row_is_cut_down_to_what_it_takes():
    row = random_row(1, 40)
    wanted = {row[7], row[31]}
    assert set(shortest(row, lambda part: wanted <= set(part))) == wanted


def test_the_same_seed_is_the_same_row():
    assert random_row(5, 20) == random_row(5, 20)
    assert random_row(5, 20) != random_row(6, 20)
    assert all(isinstance(step, RandomStep) for step in random_row(5, 20))
