"""Requests to groups that wait: answered once, or forgotten with their connection."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_effects import Reply
from ottla.broker.request import Deferred, RequestContext
from ottla.broker.runtime.group_waiters import GroupWaiters
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse

from ..connections import connection_info


def context(version=7, client_id="c"):
    return RequestContext(JoinGroupRequest.api_key, version, 1, client_id, connection_info())


def parked(waiters, version=7):
    deferred = Deferred()
    caller = waiters.new_caller(context(version))
    waiters.park(caller.waiter, deferred, context(version))
    return caller.waiter, deferred


def test_each_request_has_a_number_of_its_own():
    waiters = GroupWaiters()
    callers = [waiters.new_caller(context(client_id=name)) for name in ("c", None)]
    assert len({caller.waiter for caller in callers}) == 2
    assert [caller.client_id for caller in callers] == ["c", ""]
    assert callers[0].client_host == f"/{connection_info().peer_host}"


@pytest.mark.parametrize(("version", "name"), [(6, ""), (7, None)])
def test_an_old_client_is_told_no_null(version, name):
    waiters = GroupWaiters()
    waiter, deferred = parked(waiters, version)
    waiters.answer(Reply(waiter, JoinGroupResponse(protocol_name=None)))
    assert deferred.response.protocol_name == name


def test_only_the_one_that_is_meant_is_answered_and_once():
    waiters = GroupWaiters()
    (waiter, deferred), (_, other) = parked(waiters), parked(waiters)
    first = JoinGroupResponse(generation_id=1)
    waiters.answer(Reply(waiter, first))
    waiters.answer(Reply(waiter, JoinGroupResponse(generation_id=2)))
    assert deferred.response is first
    assert not other.is_complete


def test_who_is_gone_is_not_answered():
    waiters = GroupWaiters()
    waiter, deferred = parked(waiters)
    deferred.abandon()
    waiters.answer(Reply(waiter, JoinGroupResponse()))
    assert not deferred.is_complete
