"""The power goes at every step of a log's life: what was synced is there, what was not is there as far as it hangs
together, and the log goes on.

OTTLA_POWER_LOSS_SEEDS says with how many choices of what is left each step is tried (2).
"""

from __future__ import annotations

import os
import random
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ..harness.faulty_files import NamesWithoutBytes, NothingLost, PartlyLost, PowerLoss
from .crash_place import Story

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = int(os.environ.get("OTTLA_POWER_LOSS_EXAMPLES", "40"))
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


ACTS = {
    "append": partial(Story.append, epoch=0),
    "append large": partial(Story.append, filler_bytes=300),
    "append synced": partial(Story.append, sync=True),
    "flush": Story.flush,
    "checkpoint": Story.checkpoint,
    "retention": Story.apply_retention,
    "delete records": lambda story: story.delete_before(story.log.log_end_offset // 2),
    "delete files": Story.delete_due,
    "stop": Story.stop_and_start,
    "crash": Story.crash_and_start,
}


@settings(max_examples=EXAMPLES, deadline=None)
@example(acts=["append", "append large", "append large", "crash", "append large", "append synced"], seed=0)
@example(  # a clean end was believed, and the producers that it vouched for were not there
    acts=["append large", "append large", "checkpoint", "checkpoint", "delete records", "checkpoint", "crash", "stop"],
    seed=178,
)
@given(acts=st.lists(st.sampled_from(sorted(ACTS)), min_size=3, max_size=25), seed=st.integers(0, 1 << 20))
def test_any_life_hangs_together_after_a_loss(acts, seed):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="any-life-") as folder:
        story = Story(Path(folder) / "data")
        try:
            for act in acts:
                ACTS[act](story)
            assert story.failure is None
            steps = story.files.steps
            for step in [steps, *(chance.randint(0, steps) for _ in range(3))]:
                story.aftermath(step, PartlyLost(chance))
                story.aftermath(step, PowerLoss())
        finally:
            story.log.abandon()
            story.directory.unlock()
