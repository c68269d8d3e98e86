"""Faults as values: what can be said, and what is told to whoever says what cannot be."""

from __future__ import annotations

import pytest
from ottla.broker import Fault, InvalidOption
from ottla.broker.api_table import APIS
from ottla.broker.embedded.faults.names import api_key, api_name
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.errors import ErrorCode


@pytest.mark.parametrize("named", ["InitProducerId", "INIT_PRODUCER_ID", "initproducerid", 22, ApiKey.INIT_PRODUCER_ID])
def test_an_api_by_any_of_its_names(named):
    assert Fault.error(named, "INVALID_PRODUCER_EPOCH").apis == {ApiKey.INIT_PRODUCER_ID}


def test_every_served_api_has_a_name():
    assert {api_key(api_name(key)) for key in APIS} == set(APIS)


@pytest.mark.parametrize("named", ["NOT_LEADER_OR_FOLLOWER", "not_leader_or_follower", 6])
def test_a_code_by_any_of_its_names(named):
    assert Fault.error("Produce", named).code is ErrorCode.NOT_LEADER_OR_FOLLOWER


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fault.error("Produze", 6), "'Produze' is no API that the broker serves; did you mean Produce"),
        (lambda: Fault.error("Fech", 6), "there are AddOffsetsToTxn, AddPartitionsToTxn"),
        (lambda: Fault.delay(9999, 1), "9999 is no API"),
        (lambda: Fault.delay(True, 1), "True is no API"),
        (lambda: Fault.error("ShareFetch", 6), "'ShareFetch' is no API"),
        (lambda: Fault.error("Produce", "NOT_LEADER"), "did you mean NOT_LEADER_OR_FOLLOWER"),
        (lambda: Fault.error("Produce", 4711), "4711 is no error code of Kafka's"),
        (lambda: Fault.error("Produce", None), "None is no error code"),
        (lambda: Fault.error("Produce", "NONE"), "NONE is no error"),
        (lambda: Fault.error(None, 6), "name it, for instance 'Produce'"),
        (lambda: Fault.error("Produce", 6, versions="14+"), "Produce is served in versions 3-13"),
        (lambda: Fault.error("Produce", 6, versions="new"), "it is written as 7, '3\\+' or '0-4'"),
        (lambda: Fault.error("Heartbeat", 25, at="partition"), "Heartbeat 0-4 an error stands at request"),
        (lambda: Fault.error("Produce", 6, at="request"), "Produce 3-13 an error stands at partition"),
        (lambda: Fault.error("Fetch", 70, at="request", versions="4-6"), "Fetch 4-6 an error stands at partition"),
        (lambda: Fault.error("Metadata", 3, at="partitions"), "stands at topic, partition"),
        (lambda: Fault.error("Heartbeat", 25, topic="orders"), "a request of Heartbeat names no topic, but group"),
        (lambda: Fault.disconnect("ApiVersions", group="x"), "names no group, but nothing but the client_id"),
        (lambda: Fault.error("CreatePartitions", 37, partition=1), "names no partition, but topic"),
        (lambda: Fault.error("Produce", 6, group="g"), "names no group, but topic, partition, transactional_id"),
        (lambda: Fault.error("Produce", 6, topic=7), "topic=7: it is text"),
        (lambda: Fault.error("Produce", 6, partition="0"), "partition='0': it is a whole number from 0 on"),
        (lambda: Fault.error("Produce", 6, times=0), "times=0: it is a whole number from 1 on"),
        (lambda: Fault.error("Produce", 6, times=True), "times=True"),
        (lambda: Fault.error("Produce", 6, after=-1), "after=-1: it is a whole number from 0 on"),
        (lambda: Fault.error("Produce", 6, probability=0), "probability=0: it is above 0 and at most 1"),
        (lambda: Fault.error("Produce", 6, probability=1.5), "above 0 and at most 1"),
        (lambda: Fault.error("Produce", 6, seconds=-1), "seconds=-1: it is a number of seconds above 0"),
        (lambda: Fault.error("Produce", 6, how_often=3), "how_often: a fault is not limited by that, but by versions"),
        (lambda: Fault.delay("Fetch", 0), "delay_seconds=0: it is a number of seconds above 0"),
        (lambda: Fault.delay("Fetch", float("nan")), "delay_seconds=nan"),
        (lambda: Fault.delay("Fetch", "long"), "delay_seconds='long'"),
        (lambda: Fault.throttle(0), "bytes_per_second=0: a line carries at least one"),
        (lambda: Fault.freeze(seconds=0), "seconds=0"),
        (lambda: Fault.refuse_connections(seconds="long"), "seconds='long'"),
        (lambda: Fault.coordinator_unavailable(group=7), "group=7: it is text"),
    ],
)
def test_what_cannot_be(make, message):
    with pytest.raises(InvalidOption, match=message):
        make()


def test_the_value_says_what_it_is():
    fault = Fault.error(["Produce", "Fetch"], 6, topic="orders", partition=1, times=2, versions="9+")
    assert (
        str(fault) == "error NOT_LEADER_OR_FOLLOWER on Fetch, Produce, versions=9+, topic=orders, partition=1, times=2"
    )
    assert repr(Fault.freeze(seconds=1)) == "<Fault: freeze, seconds=1>"
    assert str(Fault.coordinator_unavailable(group="g")) == "coordinator unavailable, group=g"
    assert str(Fault.delay("Fetch", 0.5, probability=0.1)) == "delay on Fetch, delay_ms=500, probability=0.1"


def test_values_are_equal_by_what_they_say():
    assert Fault.delay("Fetch", 1, times=2) == Fault.delay(1, 1.0, times=2)
    assert hash(Fault.delay("Fetch", 1)) == hash(Fault.delay("FETCH", 1))
    assert Fault.delay("Fetch", 1) != Fault.delay("Fetch", 2)
