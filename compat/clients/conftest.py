"""What the client programs of one run showed, for whoever writes the report."""

from __future__ import annotations

import pytest

from .matrix import CLIENT_RUNS, ClientRuns


@pytest.fixture(scope="session")
def client_runs(request: pytest.FixtureRequest) -> ClientRuns:
    return request.config.stash.setdefault(CLIENT_RUNS, ClientRuns())
