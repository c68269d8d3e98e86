"""What nobody should send to groups and transactions is answered as Apache Kafka 4.3.1 answers it, and changes nothing.

All of it comes in one life of a broker, in the order in which Kafka was asked.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ottla.broker.api_table import APIS
from ottla.broker.request import Deferred
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.sync_group import SyncGroupRequest

from ..group_broker import arrived
from ..transaction_broker import TransactionBroker
from .bad_input import CASES, World, beat_on, codes, consume, join


class BusyBroker(TransactionBroker):
    """A broker with a member in a classic group and one in a consumer group."""

    def __init__(self, folder):
        super().__init__(folder, "group.initial.rebalance.delay.ms=0")
        self.create("gone", 2)
        self.metadata.delete_topic(self.metadata.image.topics_by_name["gone"])
        joined = self.asked(join(group_id="live"), 3)
        self.asked(SyncGroupRequest(group_id="live", member_id=joined.member_id, generation_id=1), 4)
        consumer = self.asked(consume(group_id="new", member_id="first"), 1)
        self.world = World(self.topic_id("t"), joined.member_id, joined.generation_id, "first", consumer.member_epoch)

    def asked(self, request, version):
        handler = SimpleNamespace(handle=APIS[request.api_key].handle)
        answer = self.ask(handler, request, version)
        if not isinstance(answer, Deferred):
            return answer
        self.advance(0)
        return arrived(answer, version)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    return BusyBroker(tmp_path_factory.mktemp("busy"))


def test_everything_is_answered_as_by_kafka(broker):
    told = {name: codes(broker.asked(case.request(broker.world), case.version)) for name, case in CASES.items()}
    assert told == {name: case.codes for name, case in CASES.items()}


def test_those_who_were_there_go_on(broker):
    w = broker.world
    beat = HeartbeatRequest(group_id="live", member_id=w.member, generation_id=w.generation)
    assert codes(broker.asked(beat, 4)) == "NONE"
    answer = broker.asked(beat_on(w), 1)
    assert (codes(answer), answer.member_epoch) == ("NONE", w.epoch)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not set(case.codes.split()) & {"NONE"}])
def test_what_is_refused_writes_nothing(broker, name):
    def ends():
        return {partition.name: partition.log.log_end_offset for partition in broker.partitions}

    before = ends()
    case = CASES[name]
    broker.asked(case.request(broker.world), case.version)
    assert ends() == before
