"""The simulation finds what is wrong: each mutant of `mutants.py` fails its story within the first lives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .mutants import MUTANTS, put_in
from .stories import OPTIONS
from .world import run_seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .world import World

LIVES_MAX = 334


def told(error: BaseException) -> str:
    """What went wrong, of all who failed, one a line."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(told(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def failure_of(seed: int, story: Callable[[World], Awaitable[None]]) -> str:
    """What went wrong in a life; empty when nothing did."""
    try:
        run_seed(seed, OPTIONS, story)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
        return told(error)
    return ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_found(mutant, monkeypatch):
    put_in(mutant, monkeypatch)
    found = next(filter(None, (failure_of(seed, mutant.story) for seed in range(LIVES_MAX))), "")
    assert found, f"{LIVES_MAX} lives do not notice that {mutant.name}"
    assert re.search(mutant.sees, found, re.MULTILINE), found
