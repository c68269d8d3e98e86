"""What the tests of the broker's own modules share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from ottla.broker.event_loop import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Iterator


class _BrokersLoops(asyncio.DefaultEventLoopPolicy):
    """The loop that `ottla serve` runs on."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return new_event_loop()


@pytest.fixture(params=["ottla", "asyncio", "uvloop"])
def every_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test on each of the loops that a broker may find itself on."""
    if request.param == "ottla":
        asyncio.set_event_loop_policy(_BrokersLoops())
    elif request.param == "uvloop":
        asyncio.set_event_loop_policy(pytest.importorskip("uvloop").EventLoopPolicy())
    yield
    asyncio.set_event_loop_policy(None)
