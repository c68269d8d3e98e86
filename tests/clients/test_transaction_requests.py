"""The same requests about transactions as Apache Kafka 4.3.1 got, and its answers to compare with.

What Kafka said is kept in `transcripts/transactions/`; `RECORD_TRANSCRIPTS=1 pytest --broker kafka` asks it again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .transaction_requests import Scenario
from .transaction_scenarios import SCENARIOS

TRANSCRIPTS = Path(__file__).with_name("transcripts") / "transactions"
OPTIONS = {
    "transaction.state.log.num.partitions": "5",
    "offsets.topic.num.partitions": "5",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
}


@pytest.fixture(scope="module")
def transaction_broker(new_broker):
    return new_broker(OPTIONS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_answers_are_kafkas(name, transaction_broker, broker_kind):
    scenario = Scenario(transaction_broker)
    with scenario.client:
        SCENARIOS[name](scenario)
    transcript = TRANSCRIPTS / f"{name}.txt"
    if broker_kind == "kafka" and os.environ.get("RECORD_TRANSCRIPTS"):
        transcript.parent.mkdir(parents=True, exist_ok=True)
        transcript.write_text("\n".join(scenario.lines) + "\n")
    assert scenario.lines == transcript.read_text().splitlines()
