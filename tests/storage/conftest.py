"""Fixtures of the storage tests."""

from __future__ import annotations

import pytest

from .log_home import LogHome


@pytest.fixture
def home(tmp_path):
    """A function that makes a partition's folder: home(segment_bytes=1000)."""

    def make(name: str = "t-0", **config) -> LogHome:
        return LogHome(tmp_path / name, **config)

    return make
