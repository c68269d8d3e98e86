"""A thousand short lives of a broker, each with its own mishaps; a seed that fails is run again with OTTLA_SEEDS=N.

While producers send and groups rebalance, the broker is stopped, killed, loses its power, and connections break. What
was acknowledged holds through all of it, and when peace has come back everything goes on by itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from .stories import OPTIONS, STORIES, transactions
from .world import World, run_seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


def seeds() -> Iterator[int]:
    """Which seeds to run of each story: OTTLA_SEEDS is a number of them, or FROM-TO; without it a thousand in all."""
    asked = os.environ.get("OTTLA_SEEDS", "334")
    first, dash, last = asked.partition("-")
    return iter(range(int(first), int(last) + 1)) if dash else iter(range(int(asked)))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_what_was_acknowledged_holds(story: Callable[[World], Awaitable[None]]) -> None:
    for seed in seeds():
        run_seed(seed, OPTIONS, story)


def test_a_seed_gives_the_same_run_again() -> None:
    def ends_of(seed: int) -> list[tuple[float, int]]:
        ends = []

        async def story(world: World) -> None:
            await transactions(world)
            ends.append((world.loop.time(), world.chance.getrandbits(64)))

        run_seed(seed, OPTIONS, story)
        return ends

    assert ends_of(7) == ends_of(7) != ends_of(8)
