"""What the tests of real clients share."""

from __future__ import annotations

import pytest

from .group_members import wait_until


@pytest.fixture(scope="session")
def soon(broker_kind):
    """Check what a request has just changed: with Ottla it is so when the answer leaves, Apache Kafka lags behind."""

    def check(condition, what: str) -> None:
        if broker_kind == "ottla":
            assert condition(), what
        else:
            wait_until(condition, what)

    return check
