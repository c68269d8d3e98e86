"""The simulation finds what is wrong: each mutant of `mutants.py` fails its story within the first lives."""

from __future__ import annotations

import re

import pytest

from .mutants import MUTANTS, put_in
from .stories import OPTIONS
from .world import run_seed

LIVES_MAX = 150


def told(error: BaseException) -> str:
    """What went wrong, of all who failed, one a line."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(told(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_found(mutant, monkeypatch):
    put_in(mutant, monkeypatch)
    for seed in range(LIVES_MAX):
        try:
            run_seed(seed, OPTIONS, mutant.story)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is judged below
            assert re.search(mutant.sees, told(error), re.MULTILINE), f"life {seed} fails otherwise: {told(error)}"
            print(f"found in life {seed}: {told(error)}")
            return
    pytest.fail(f"{LIVES_MAX} lives do not notice that {mutant.name}")
