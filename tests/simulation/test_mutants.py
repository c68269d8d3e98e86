"""The simulation finds what is wrong: each mutant of `mutants.py` fails its story within the first lives.

What breaks an invariant that a state machine of Hypothesis says by name is found by that machine too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ..broker.coordinators.test_consumer_group_machine import ConsumerGroupMachine
from ..storage.test_log_transactions_model import TransactionalLogMachine
from .mutants import MUTANTS, put_in
from .stories import OPTIONS
from .world import run_seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .world import World

LIVES_MAX = 334
ONCE = settings(
    max_examples=200,
    stateful_step_count=40,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


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


MACHINES = {
    "a partition is given away before it is given up": ConsumerGroupMachine,
    "a commit by somebody unknown is taken": ConsumerGroupMachine,
    "a commit of an older epoch is taken": ConsumerGroupMachine,
    "the last stable offset passes what is open": TransactionalLogMachine,
    "readers are not told what was aborted": TransactionalLogMachine,
}
"""Mutants that break an invariant of a state machine, which must notice as well."""


@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.name in MACHINES], ids=lambda each: each.name)
def test_a_state_machine_finds_it_too(mutant, monkeypatch):
    put_in(mutant, monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(MACHINES[mutant.name], settings=ONCE)
