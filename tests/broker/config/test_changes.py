from __future__ import annotations

import pytest
from ottla.broker.config.catalogue import TOPIC_KEYS
from ottla.broker.config.changes import Change, Operation, changed_texts
from ottla.broker.config.validators import ConfigRequestError, ConfigValueError

POLICY, REPLICAS = "cleanup.policy", "leader.replication.throttled.replicas"


def change(name, operation, value, **current):
    texts = {key.replace("_", "."): text for key, text in current.items()}
    return changed_texts(texts, [Change(name, operation, value)], TOPIC_KEYS.get)[name]


def test_set_takes_any_text_and_delete_none():
    assert change("anything", Operation.SET, "x") == "x"
    assert change("anything", Operation.DELETE, "x") is None


@pytest.mark.parametrize(
    ("operation", "value", "current", "result"),
    [
        (Operation.APPEND, "compact", {}, "delete,compact"),
        (Operation.APPEND, "", {}, "delete,"),
        (Operation.APPEND, "compact", {"cleanup_policy": ""}, "compact"),
        (Operation.APPEND, "delete,compact", {"cleanup_policy": "compact, delete"}, "compact,delete"),
        (Operation.SUBTRACT, "delete", {}, ""),
        (Operation.SUBTRACT, "compact", {"cleanup_policy": "compact, delete"}, "delete"),
        (Operation.SUBTRACT, "nope", {"cleanup_policy": "compact"}, "compact"),
    ],
)
def test_lists_begin_with_what_is_set_or_else_the_default(operation, value, current, result):
    assert change(POLICY, operation, value, **current) == result


def test_a_list_whose_default_is_empty():
    assert change(REPLICAS, Operation.APPEND, "0:1,1:1") == "0:1,1:1"
    assert change(REPLICAS, Operation.SUBTRACT, "0:1") == ""


def test_what_is_no_list_and_what_is_no_operation():
    with pytest.raises(ConfigValueError, match=r"^Can't SUBTRACT to key flush\.ms because its type is not LIST\.$"):
        change("flush.ms", Operation.SUBTRACT, "1")
    with pytest.raises(ConfigValueError):
        change("nope", Operation.APPEND, "1")
    with pytest.raises(ConfigRequestError, match="Unknown operations type 4"):
        change("flush.ms", 4, "1")
