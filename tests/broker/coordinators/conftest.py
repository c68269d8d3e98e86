"""The fixtures of the coordinators' scripts."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_settings import GroupSettings

from .playbook import Advance, Join, JoinReply, Playbook, Sync, SyncReply, Wrote


@pytest.fixture
def play() -> Playbook:
    """A group that waits for nobody in its first rebalance."""
    playbook = Playbook(GroupSettings(session_timeout_min_ms=1, initial_rebalance_delay_ms=0))
    yield playbook
    playbook.done()


@pytest.fixture
def stable(play) -> Playbook:
    """A stable group of a (the leader) and b, in generation 1."""
    play >> Join("a") << Wrote(0) >> Join("b") >> Advance(0)
    play << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("b") >> Sync("a", {"a": b"A", "b": b"B"})
    return play << Wrote(1, ("a", "b"), "a") << SyncReply("a", b"A") << SyncReply("b", b"B")
