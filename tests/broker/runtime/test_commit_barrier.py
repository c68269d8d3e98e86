"""Answers that wait until what they tell is on the disk."""

from __future__ import annotations

import errno

import pytest
from ottla.broker.request import ConnectionInfo, Deferred
from ottla.broker.runtime.commit_barrier import CommitBarrier


class Writes:
    """Writes that are committed by hand."""

    def __init__(self, barrier, count):
        self.told = []
        barrier.pending += [self.told.append] * count


@pytest.fixture
def barrier():
    return CommitBarrier()


@pytest.fixture
def closed():
    return []


@pytest.fixture
def connection(closed):
    return ConnectionInfo(
        connection_id=1,
        listener_name="PLAINTEXT",
        peer_host="127.0.0.1",
        peer_port=1,
        local_host="127.0.0.1",
        local_port=9092,
        close=closed.append,
    )


def test_an_answer_waits_for_every_write_of_its_request(barrier, connection):
    writes = Writes(barrier, 2)
    held = barrier.hold("answer", connection)
    assert barrier.pending == []
    for told in writes.told:
        assert held.response is None
        told(None)
    assert held.response == "answer"


def test_an_answer_that_comes_later_waits_as_well(barrier, connection):
    writes = Writes(barrier, 1)
    answer = Deferred()
    held = barrier.hold(answer, connection)
    writes.told[0](None)
    assert held.response is None
    answer.complete("late")
    assert held.response == "late"


def test_a_client_that_leaves_is_forgotten_by_whoever_parked_it(barrier, connection):
    Writes(barrier, 1)
    left = []
    answer = Deferred()
    answer.on_abandon = lambda: left.append("left")
    barrier.hold(answer, connection).abandon()
    assert left == ["left"]


def test_nobody_waits_where_there_is_no_answer(barrier, connection):
    Writes(barrier, 1)
    assert barrier.hold(None, connection) is None


def test_a_disk_that_fails_ends_the_connection(barrier, connection, closed):
    writes = Writes(barrier, 1)
    held = barrier.hold("answer", connection)
    writes.told[0](OSError(errno.EIO, "Input/output error"))
    assert held.response is None
    assert closed == ["a change could not be brought to the disk: [Errno 5] Input/output error"]


def test_what_acts_at_once_is_held_back_for_what_it_writes(barrier, connection):
    """Whoever calls: a request that was parked acts from a timer, where nobody else would hold it back."""
    told = []

    def act():
        barrier.pending.append(told.append)
        return "answer"

    held = barrier.then(act, connection)
    assert (held.response, barrier.pending) == (None, [])
    told[0](None)
    assert held.response == "answer"


def test_who_acts_later_is_held_back_for_both(barrier, connection):
    first, second = [], []
    barrier.pending.append(first.append)

    def act():
        barrier.pending.append(second.append)
        return "answer"

    held = barrier.then(act, connection)
    assert second == []
    first[0](None)
    assert held.response is None
    second[0](None)
    assert held.response == "answer"
