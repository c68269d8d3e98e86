"""Two brokers side by side: Ottla and the reference."""

from __future__ import annotations

import pytest

from ..harness.broker_process import REAL_KAFKA, KafkaBroker, OttlaBroker

OPTIONS = {
    "group.consumer.assignment.interval.ms": "0",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
}


@pytest.fixture(scope="module")
def ottla(tmp_path_factory):
    broker = OttlaBroker(tmp_path_factory.mktemp("ottla"), OPTIONS)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    if not REAL_KAFKA.exists():
        pytest.skip("Apache Kafka is not here")
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"), OPTIONS)
    broker.start()
    yield broker
    broker.stop()
