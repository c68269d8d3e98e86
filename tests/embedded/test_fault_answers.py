"""Errors in responses, for every API in every version: in their place, nowhere else, and as bytes that clients read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker import Broker
from ottla.broker.api_table import APIS
from ottla.broker.embedded.faults.answers import Selection, blank_response, merge, put_errors, split
from ottla.broker.embedded.faults.places import place_for, places, response_type
from ottla.broker.embedded.faults.schema import (
    PARTITION,
    arrays_of,
    elements,
    error_field,
    fields_of,
    level_of,
    meaning,
)
from ottla.broker.embedded.faults.targets import names_of, targets_of
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from ottla.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from ..harness.raw_client import RawClient

CODE = ErrorCode.POLICY_VIOLATION
SERVED = [(api, version) for api in APIS.values() for version in range(api.lowest, api.highest + 1)]
ids = [f"{api.key.name}-{version}" for api, version in SERVED]

_VALUES = {"bool": True, "string": "name", "uuid": b"a-topic-of-names", "bytes": b"", "records": b"", "float64": 0.0}


def filled(owner, version):
    """A request or response with two elements in every list, numbered through."""
    made = owner()
    for field in fields_of(owner, version):
        if field.struct is not None and field.is_array:
            setattr(made, field.name, [filled(field.struct, version) for _ in range(2)])
            for number, element in enumerate(getattr(made, field.name)):
                for inner in fields_of(field.struct, version):
                    if meaning(field.struct, inner) == PARTITION and not inner.is_array:
                        setattr(element, inner.name, number)
        elif field.is_array:
            value = _VALUES.get(field.wire)
            setattr(made, field.name, [0, 1] if value is None else [f"{value}-0", f"{value}-1"])
        elif field.struct is None:
            setattr(made, field.name, _VALUES.get(field.wire, 0))
    return made


def no_topic_by_id(_topic_id):
    return "name"


def selection(topic=None, partition=None, group=None, transactional_id=None):
    return Selection(topic, partition, group, transactional_id, no_topic_by_id)


def codes_by_place(struct, version, place="request"):
    """(place, code) of everything in a response that can say what went wrong."""
    error = error_field(type(struct), version)
    found = [] if error is None else [(place, getattr(struct, error.name))]
    for array in arrays_of(type(struct), version):
        for element in elements(struct, array):
            found += codes_by_place(element, version, level_of(array.struct))
    return found


def round_trip(response, version):
    return decode(type(response), encode(response, version), version)


@pytest.mark.parametrize(("api", "version"), SERVED, ids=ids)
def test_every_api_has_a_place_in_every_version(api, version):
    there = places(api.key, version)
    assert there, "an API that cannot say that it failed"
    chosen = place_for(api.key, version, None, None, None, is_of_the_whole=False)
    assert chosen in there
    assert place_for(api.key, version, None, None, None, is_of_the_whole=True) == there[0]


@pytest.mark.parametrize(("api", "version"), SERVED, ids=ids)
def test_an_error_stands_at_its_place_and_nowhere_else(api, version):
    request = filled(api.request, version)
    for place in places(api.key, version):
        response = filled(response_type(api), version)
        put_errors(response, version, place, CODE, selection())
        read = round_trip(response, version)
        codes = codes_by_place(read, version)
        assert (place, CODE) in codes
        assert all((code == CODE) == (where == place) for where, code in codes)
    chosen = place_for(api.key, version, None, None, None, is_of_the_whole=False)
    blank = blank_response(api, request, version)
    put_errors(blank, version, chosen, CODE, selection())
    codes = codes_by_place(round_trip(blank, version), version)
    assert (chosen, CODE) in codes
    assert all(code == (CODE if where == chosen else 0) for where, code in codes)


@pytest.mark.parametrize(("api", "version"), SERVED, ids=ids)
def test_a_blank_response_names_what_was_asked(api, version):
    if place_for(api.key, version, None, None, None, is_of_the_whole=False) != PARTITION:
        return
    request = decode(api.request, encode(filled(api.request, version), version), version)
    response = blank_response(api, request, version)
    asked, told = (targets_of(each, version, no_topic_by_id) for each in (request, response))
    assert asked.places == told.places == {("name", 0), ("name", 1)}


@pytest.mark.parametrize(("api", "version"), SERVED, ids=ids)
def test_what_is_struck_and_the_rest_are_the_request(api, version):
    request = filled(api.request, version)
    before = targets_of(request, version, no_topic_by_id).places
    with_partition = {place for place in before if place[1] is not None}
    if not with_partition:
        return
    struck, rest = split(request, version, selection(partition=1))
    hit, left = (targets_of(each, version, no_topic_by_id).places for each in (struck, rest))
    assert {place for place in hit if place[1] is not None} == {place for place in with_partition if place[1] == 1}
    assert {place for place in left if place[1] is not None} == {place for place in with_partition if place[1] != 1}
    assert request == filled(api.request, version), "the request itself is as it was"


def produce_request(places):
    topics = {}
    for topic, partition in places:
        topics.setdefault(topic, []).append(PartitionProduceData(index=partition, records=b"x"))
    return ProduceRequest(
        topic_data=[TopicProduceData(name=name, partition_data=data) for name, data in topics.items()]
    )


PLACES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=8, unique=True)


@given(PLACES, st.none() | st.sampled_from("abc"), st.none() | st.integers(0, 3))
def test_struck_and_rest_together_answer_every_partition_once(asked, topic, partition):
    api, version = APIS[ApiKey.PRODUCE], 9
    chosen = Selection(topic, partition, None, None, lambda _: None)
    meant = {place for place in asked if topic in (None, place[0]) and partition in (None, place[1])}
    if not meant:
        return  # a rule does not hit it then
    struck, rest = split(produce_request(asked), version, chosen)
    assert targets_of(struck, version, lambda _: None).places == meant
    failed = blank_response(api, struck, version)
    put_errors(failed, version, PARTITION, CODE, chosen)
    response = failed
    if rest is not None:
        response = blank_response(api, rest, version)
        merge(response, failed, version)
    told = [
        (answer.name, each.index, each.error_code)
        for answer in response.responses
        for each in answer.partition_responses
    ]
    assert sorted(told) == sorted((*place, CODE if place in meant else 0) for place in asked)
    assert len({answer.name for answer in response.responses}) == len(response.responses)
    assert all(
        each.base_offset == (-1 if each.error_code else 0)
        for answer in response.responses
        for each in answer.partition_responses
    )


def test_groups_are_told_apart():
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("a", "b")])
    response = response_type(APIS[ApiKey.OFFSET_FETCH])()
    response.groups = blank_response(APIS[ApiKey.OFFSET_FETCH], request, 8).groups
    put_errors(response, 8, "group", CODE, selection(group="b"))
    assert [(group.group_id, group.error_code) for group in response.groups] == [("a", 0), ("b", CODE)]


def test_what_a_request_names():
    committed = [TxnOffsetCommitRequestPartition(partition_index=index) for index in (0, 3)]
    request = TxnOffsetCommitRequest(
        transactional_id="seller",
        group_id="billing",
        topics=[TxnOffsetCommitRequestTopic(name="orders", partitions=committed)],
    )
    found = targets_of(request, 3, lambda _: None)
    assert found.places == {("orders", 0), ("orders", 3)}
    assert (found.groups, found.transactional_ids) == ({"billing"}, {"seller"})
    assert targets_of(OffsetFetchRequest(group_id="g", topics=None), 7, lambda _: None).places == {(None, None)}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (ApiKey.PRODUCE, {"topic", "partition", "transactional_id"}),
        (ApiKey.FETCH, {"topic", "partition"}),
        (ApiKey.METADATA, {"topic", "partition"}),
        (ApiKey.HEARTBEAT, {"group"}),
        (ApiKey.JOIN_GROUP, {"group"}),
        (ApiKey.CONSUMER_GROUP_HEARTBEAT, {"group"}),
        (ApiKey.OFFSET_FETCH, {"topic", "partition", "group"}),
        (ApiKey.TXN_OFFSET_COMMIT, {"topic", "partition", "group", "transactional_id"}),
        (ApiKey.ADD_PARTITIONS_TO_TXN, {"topic", "partition", "transactional_id"}),
        (ApiKey.DESCRIBE_GROUPS, {"group"}),
        (ApiKey.DELETE_GROUPS, {"group"}),
        (ApiKey.DELETE_TOPICS, {"topic"}),
        (ApiKey.CREATE_TOPICS, {"topic"}),
        (ApiKey.FIND_COORDINATOR, {"group", "transactional_id"}),
        (ApiKey.DESCRIBE_CONFIGS, {"topic", "group"}),
        (ApiKey.API_VERSIONS, set()),
    ],
)
def test_by_what_requests_can_be_told_apart(key, expected):
    assert names_of(key) == expected


# In a broker that runs


@pytest.fixture(scope="module")
def faulty_broker():
    with Broker(topics={"name": 2}) as broker:
        broker.commit("name", "name", 0)
        yield broker


@pytest.mark.parametrize("acting", [False, True])
@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.key.name)
def test_every_api_can_be_made_to_fail(faulty_broker, api, acting):
    if acting and api.key in (ApiKey.DELETE_TOPICS, ApiKey.JOIN_GROUP):
        return  # the one would take the others' topic away, the other waits for members
    with faulty_broker.faults.error(api.key, CODE, acting=acting) as fault, RawClient(faulty_broker) as client:
        asked = 0
        for version in range(api.lowest, api.highest + 1):
            request = filled(api.request, version)
            if api.key == ApiKey.PRODUCE:
                request.acks = 1
            answer = client.ask(request, response_type(api), version)
            asked += 1
            codes = codes_by_place(answer, version)
            place = place_for(api.key, version, None, None, None, is_of_the_whole=False)
            assert (place, CODE) in codes
            assert all(code == CODE for where, code in codes if where == place)
        assert fault.hits == asked
    assert list(faulty_broker.topics()) == ["name"] or acting
