"""FindCoordinator; codes are those of Kafka 4.3.1 to the same requests, but for what is not served yet."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import find_coordinator
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest

from ..group_broker import OFFSETS_TOPIC, GroupBroker


@pytest.fixture
def broker(tmp_path):
    return GroupBroker(tmp_path)


@pytest.mark.parametrize("version", range(4))
def test_one_key(broker, version):
    answer = broker.ask(find_coordinator, FindCoordinatorRequest(key="g"), version)
    assert (answer.error_code, answer.node_id, answer.host, answer.port) == (0, 1, "10.0.0.7", 19_092)
    assert answer.error_message == ("NONE" if version else "")


@pytest.mark.parametrize("version", range(4, 7))
def test_several_keys(broker, version):
    answer = broker.ask(find_coordinator, FindCoordinatorRequest(coordinator_keys=["g", "", "h"]), version)
    assert [(c.key, c.error_code, c.node_id, c.host, c.port) for c in answer.coordinators] == [
        (key, 0, 1, "10.0.0.7", 19_092) for key in ("g", "", "h")
    ]
    assert answer.coordinators[0].error_message == ""


def test_no_keys(broker):
    assert broker.ask(find_coordinator, FindCoordinatorRequest(), 6).coordinators == []


def test_the_first_group_creates_its_topic(broker):
    assert OFFSETS_TOPIC not in broker.metadata.image.topics_by_name
    broker.ask(find_coordinator, FindCoordinatorRequest(key="g"), 3)
    assert len(broker.metadata.image.topics_by_name[OFFSETS_TOPIC].partitions) == 3
    assert broker.groups.shard_of("g") is not None


def test_the_first_transactional_id_creates_its_topic(broker):
    answer = broker.ask(find_coordinator, FindCoordinatorRequest(key="x", key_type=1), 3)
    assert (answer.error_code, answer.node_id) == (0, 1)
    topic = broker.metadata.image.topics_by_name["__transaction_state"]
    assert len(topic.partitions) == 50
    assert OFFSETS_TOPIC not in broker.metadata.image.topics_by_name


@pytest.mark.parametrize("key_type", [2, 9])
def test_other_kinds_are_refused_for_good(broker, key_type):
    old = broker.ask(find_coordinator, FindCoordinatorRequest(key="x", key_type=key_type), 3)
    assert (old.error_code, old.node_id, old.host, old.port) == (ErrorCode.INVALID_REQUEST, -1, "", -1)
    [new] = broker.ask(
        find_coordinator, FindCoordinatorRequest(coordinator_keys=["x"], key_type=key_type), 6
    ).coordinators
    assert (new.key, new.error_code, new.node_id) == ("x", ErrorCode.INVALID_REQUEST, -1)
    assert new.error_message
    assert OFFSETS_TOPIC not in broker.metadata.image.topics_by_name


MALFORMED = "This most likely occurs because of a request being malformed by the client library"


@pytest.mark.parametrize(
    ("key_type", "version", "message"),
    [(9, 3, MALFORMED), (9, 6, MALFORMED), (2, 3, MALFORMED), (2, 4, ""), (2, 6, "share groups are not served yet")],
)
def test_kinds_of_keys_that_the_version_does_not_know(broker, key_type, version, message):
    keys = {"key": "g"} if version < 4 else {"coordinator_keys": ["g"]}
    answer = broker.ask(find_coordinator, FindCoordinatorRequest(key_type=key_type, **keys), version)
    refused = answer if version < 4 else answer.coordinators[0]
    assert refused.error_code == ErrorCode.INVALID_REQUEST
    assert (refused.error_message or "").startswith(message)
    assert bool(refused.error_message) == bool(message) or version < 4
