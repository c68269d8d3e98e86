"""The two brokers of a comparison."""

from __future__ import annotations

import pytest

from .side_by_side import SideBySide, side_by_side_of


@pytest.fixture(scope="session")
def side_by_side(broker, reference, findings) -> SideBySide:
    """The broker and Apache Kafka."""
    findings.side_by_side = side_by_side_of(broker, reference)
    return findings.side_by_side
