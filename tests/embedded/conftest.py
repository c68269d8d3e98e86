"""One broker for the tests of a module, as most users have it."""

from __future__ import annotations

import pytest
from ottla.broker import Broker


@pytest.fixture
def kafka_broker():
    with Broker() as broker:
        yield broker
