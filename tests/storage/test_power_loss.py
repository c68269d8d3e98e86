"""The power goes at every step of a log's life: what was synced is there, what was not is there as far as it hangs
together, and the log goes on.

OTTLA_POWER_LOSS_SEEDS says with how many choices of what is left each step is tried (2).
"""

from __future__ import annotations

import os
import random
import traceback
from typing import TYPE_CHECKING

import pytest

from ..harness.faulty_files import NamesWithoutBytes, NothingLost, PartlyLost, PowerLoss
from .crash_place import Story

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = int(os.environ.get("OTTLA_POWER_LOSS_SEEDS", "2"))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    story = Story(tmp_path_factory.mktemp("story") / "data")
    story.live()
    assert not story.refused
    assert story.failure is None
    return story


def problems_of(story: Story, loss_at: Callable[[int], PowerLoss]) -> list[str]:
    """What goes wrong after the loss at each step, in a line each."""
    problems = []
    for step in range(story.files.steps + 1):
        try:
            story.aftermath(step, loss_at(step))
        except Exception as problem:  # noqa: BLE001 (every step is tried, and all that fail are shown)
            where = traceback.extract_tb(problem.__traceback__)[-1]
            problems.append(f"step {step}, {os.path.basename(where.filename)}:{where.lineno}: {problem!r}")
    return problems


@pytest.mark.parametrize("kind", [PowerLoss, NothingLost, NamesWithoutBytes])
def test_what_was_synced_survives_at_every_step(story, kind):
    problems = problems_of(story, lambda step: kind())
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_part_of_the_rest_is_left_hangs_together(story, seed):
    problems = problems_of(story, lambda step: PartlyLost(random.Random(f"{seed} {step}")))
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])
