"""Every API of transactions with values that nobody should send: an answer comes, and the broker goes on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ottla.broker.api_table import APIS
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import encode

from ..transaction_broker import NAME, TransactionBroker

KEYS = (
    ApiKey.INIT_PRODUCER_ID,
    ApiKey.ADD_PARTITIONS_TO_TXN,
    ApiKey.ADD_OFFSETS_TO_TXN,
    ApiKey.END_TXN,
    ApiKey.TXN_OFFSET_COMMIT,
    ApiKey.WRITE_TXN_MARKERS,
    ApiKey.DESCRIBE_PRODUCERS,
    ApiKey.DESCRIBE_TRANSACTIONS,
    ApiKey.LIST_TRANSACTIONS,
)
BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
TEXTS = st.sampled_from(
    ["", NAME, "other", "t", "__consumer_offsets", "__transaction_state", "nothing", "é\ufffd", "x" * 300]
)


def numbers(bits: int) -> st.SearchStrategy[int]:
    edge = 1 << (bits - 1)
    return st.sampled_from([0, 1, 2, -1, -2, 7, edge - 1, edge - 2, -edge])


def values(spec: Any, version: int) -> st.SearchStrategy[Any]:
    if spec.struct is not None:
        one: st.SearchStrategy[Any] = instances(spec.struct, version)
    elif spec.wire in BITS:
        one = numbers(BITS[spec.wire])
    elif spec.wire == "bool":
        one = st.booleans()
    else:
        one = TEXTS
    return st.lists(one, max_size=3) if spec.is_array else one


def instances(kind: Any, version: int) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{spec.name: values(spec, version) for spec in kind.fields if version in spec.versions})


REQUESTS = st.one_of(
    [
        st.tuples(st.just(api), st.just(version), instances(api.request, version))
        for api in map(APIS.__getitem__, KEYS)
        for version in (api.lowest, api.highest)
    ]
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = TransactionBroker(tmp_path_factory.mktemp("broker"))
    broker.begin()
    return broker


class Handler:
    """One API's handler as `ask` wants it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REQUESTS)
def test_an_answer_comes(broker, drawn):
    api, version, request = drawn
    answer = broker.ask(Handler(api.handle), request, version)
    assert encode(answer, version)


def test_the_broker_goes_on(broker):
    producer = broker.begin(name="afterwards")
    assert broker.send(producer, 0, name="afterwards") == "NONE"
    assert broker.end(producer, commit=True, name="afterwards")[0] == "NONE"
