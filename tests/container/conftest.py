"""Containers in namespaces of their own, removed when the test ends."""

from __future__ import annotations

import pytest

from ..harness.scratch_container import ScratchContainer, why_no_scratch_container


@pytest.fixture(scope="session")
def _namespaces():
    reason = why_no_scratch_container()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def container(_namespaces, tmp_path):
    """A function that starts one: container({"KAFKA_NODE_ID": "2"}, command)."""
    started = []

    def start(environment=None, command=None, *, mounted=None) -> ScratchContainer:
        one = ScratchContainer(tmp_path / f"c{len(started)}", environment or {}, command, mounted=mounted)
        started.append(one)
        return one

    yield start
    for one in started:
        one.remove()
