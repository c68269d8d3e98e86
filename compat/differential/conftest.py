"""The two brokers of a comparison."""

from __future__ import annotations

import pytest

from ..brokers import OttlaProcess
from .side_by_side import SideBySide, side_by_side_of


@pytest.fixture(scope="session")
def compared_broker(broker, tmp_path_factory):
    """The broker that is compared: Ottla is started for it alone, so that answers list what the cases made."""
    if broker.kind != "ottla":
        yield broker
        return
    alone = OttlaProcess(tmp_path_factory.mktemp("compared"))
    alone.start()
    yield alone
    alone.stop()


@pytest.fixture(scope="session")
def side_by_side(compared_broker, reference, findings) -> SideBySide:
    """The broker and Apache Kafka."""
    findings.side_by_side = side_by_side_of(compared_broker, reference)
    return findings.side_by_side
