"""InitProducerId for idempotent producers; transactional ones are in test_transactions."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import init_producer_id
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest

from ..data_broker import DataBroker

INVALID = ("INVALID_REQUEST", -1, -1)


@pytest.fixture
def broker(tmp_path):
    return DataBroker(tmp_path)


def ask(broker, version=5, **fields):
    request = InitProducerIdRequest(**{"transactional_id": None, "transaction_timeout_ms": 60_000, **fields})
    answer = broker.ask(init_producer_id, request, version)
    return ErrorCode(answer.error_code).name, answer.producer_id, answer.producer_epoch


@pytest.mark.parametrize("version", range(6))
def test_each_call_gives_a_new_id(broker, version):
    assert [ask(broker, version) for _ in range(3)] == [("NONE", number, 0) for number in range(3)]


def test_a_known_id_is_replaced(broker):
    assert ask(broker, producer_id=5, producer_epoch=3) == ("NONE", 0, 0)


def test_an_id_comes_with_its_epoch(broker):
    assert ask(broker, producer_id=5) == INVALID
    assert ask(broker, producer_epoch=5) == INVALID


def test_an_empty_transactional_id(broker):
    assert ask(broker, transactional_id="") == INVALID


def test_no_id_is_given_twice_after_a_crash(broker):
    assert ask(broker) == ("NONE", 0, 0)
    broker.crash()
    assert ask(broker) == ("NONE", 1000, 0)


def test_a_full_disk_gives_no_ids(broker):
    broker.disk.full = True
    assert ask(broker) == ("KAFKA_STORAGE_ERROR", -1, -1)
    broker.disk.full = False
    assert ask(broker)[0] == "NONE"
