"""DescribeGroups, ListGroups and DeleteGroups in every version; answers are Kafka 4.3.1's to the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import delete_groups, describe_groups, join_group, list_groups, sync_group
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest
from ottla.protocol.messages.list_groups import ListGroupsRequest
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from ..group_broker import GroupBroker
from .joining import SUBSCRIPTION, broker_for_groups, joining


@pytest.fixture
def broker(tmp_path):
    return broker_for_groups(tmp_path)


NOT_ASKED_FOR = -(2**31)


@pytest.fixture
def stable(broker):
    broker.ask(join_group, joining(group_instance_id="i"), 9)
    broker.advance(0)
    given = [SyncGroupRequestAssignment(member_id="i-1", assignment=b"A")]
    broker.ask(sync_group, SyncGroupRequest(group_id="g", generation_id=1, member_id="i-1", assignments=given), 4)
    return broker


def describe(broker, version, group_id="g", *, with_operations=False):
    request = DescribeGroupsRequest(groups=[group_id], include_authorized_operations=with_operations)
    [group] = broker.ask(describe_groups, request, version).groups
    return group


@pytest.mark.parametrize("version", range(7))
def test_a_stable_group(stable, version):
    group = describe(stable, version)
    assert (group.error_code, group.group_id, group.group_state) == (0, "g", "Stable")
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    [member] = group.members
    assert (member.member_id, member.client_id, member.client_host) == ("i-1", "test", "/127.0.0.1")
    assert (member.member_metadata, member.member_assignment) == (SUBSCRIPTION, b"A")
    assert member.group_instance_id == ("i" if version >= 4 else None)
    assert group.authorized_operations == NOT_ASKED_FOR


@pytest.mark.parametrize("version", range(7))
def test_a_group_in_a_rebalance_shows_no_protocol_and_the_last_assignment(stable, version):
    stable.ask(join_group, joining(), 3)
    group = describe(stable, version)
    assert (group.group_state, group.protocol_type, group.protocol_data) == ("PreparingRebalance", "consumer", "")
    shown = [(member.member_metadata, member.member_assignment) for member in group.members]
    assert shown == [(b"", b"A"), (b"", b"")], "what the last generation gave stays to be seen"


@pytest.mark.parametrize("version", range(7))
def test_no_such_group(broker, version):
    group = describe(broker, version, "nope")
    assert (group.group_state, group.members) == ("Dead", [])
    if version >= 6:
        assert (group.error_code, group.error_message) == (ErrorCode.GROUP_ID_NOT_FOUND, "Group nope not found.")
    else:
        assert group.error_code == 0


def test_authorized_operations_are_told_if_asked(stable):
    assert describe(stable, 6, with_operations=True).authorized_operations == 3400
    assert describe(stable, 6, "nope", with_operations=True).authorized_operations == NOT_ASKED_FOR


@pytest.mark.parametrize("version", range(6))
def test_list(stable, version):
    stable.ask(join_group, joining(group_id="new"), 9)
    listed = stable.ask(list_groups, ListGroupsRequest(), version).groups
    state = ["Stable", "Empty"] if version >= 4 else ["", ""]
    kind = "classic" if version >= 5 else ""
    assert sorted((g.group_id, g.protocol_type, g.group_state, g.group_type) for g in listed) == [
        ("g", "consumer", state[0], kind),
        ("new", "", state[1], kind),
    ]


@pytest.mark.parametrize(
    ("states", "types", "found"),
    [
        (["Stable"], [], ["g"]),
        ([" sTABLE "], ["CLASSIC"], ["g"]),
        (["Empty"], [], []),
        (["Stable", "nonsense"], ["consumer", "classic"], ["g"]),
        (["nonsense"], [], []),
        ([], ["consumer"], []),
        ([], ["nonsense"], []),
    ],
)
def test_list_filters(stable, states, types, found):
    request = ListGroupsRequest(states_filter=states, types_filter=types)
    assert [group.group_id for group in stable.ask(list_groups, request, 5).groups] == found


@pytest.mark.parametrize("version", range(3))
def test_delete(stable, version):
    stable.ask(join_group, joining(group_id="empty"), 9)
    request = DeleteGroupsRequest(groups_names=["g", "empty", "nope", "", "empty"])
    results = stable.ask(delete_groups, request, version).results
    assert {result.group_id: ErrorCode(result.error_code).name for result in results} == {
        "g": "NON_EMPTY_GROUP",
        "empty": "NONE",
        "nope": "GROUP_ID_NOT_FOUND",
        "": "GROUP_ID_NOT_FOUND",
    }
    assert len(results) == 4
    stable.crash()
    assert [group.group_id for group in stable.groups.groups()] == ["g"]


def test_before_there_is_a_coordinator(tmp_path):
    broker = GroupBroker(tmp_path)
    assert describe(broker, 6).error_code == ErrorCode.NOT_COORDINATOR
    assert broker.ask(list_groups, ListGroupsRequest(), 5).groups == []
    [result] = broker.ask(delete_groups, DeleteGroupsRequest(groups_names=["g"]), 2).results
    assert result.error_code == ErrorCode.NOT_COORDINATOR
