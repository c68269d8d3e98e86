"""Groups that change their protocol while members live, and classic members within a consumer group."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ottla.broker.coordinators.classic_group import ClassicGroup
from ottla.broker.coordinators.consumer_group import ConsumerGroup
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.broker.coordinators.subscription import read_assignment, write_assignment
from ottla.protocol.errors import ErrorCode

from .consumer_bench import AT_ONCE, GROUP, REBALANCE_MS, ConsumerBench
from .playbook import subscription

OWNED = b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff"


def metadata(*owned: int) -> dict[str, bytes]:
    """The metadata of a consumer that reads t and has these partitions of it."""
    topics = b"\x00\x00\x00\x00"
    if owned:
        topics = b"\x00\x00\x00\x01\x00\x01t" + len(owned).to_bytes(4, "big")
        topics += b"".join(partition.to_bytes(4, "big") for partition in owned)
    return {"range": OWNED + topics}


def given(*partitions: int) -> bytes:
    return write_assignment({"t": partitions}, 1)


def partitions_of(answer) -> list[int]:
    topics = read_assignment(answer.assignment).assigned_partitions
    return [partition for topic in topics for partition in topic.partitions]


def bench_with(**settings) -> ConsumerBench:
    bench = ConsumerBench(replace(AT_ONCE, **settings))
    bench.topic("t", 4)
    return bench


def classic_group(bench: ConsumerBench) -> str:
    """A stable classic group of one, who has everything; returns its member id."""
    member = bench.classic_join("", metadata()).member_id
    bench.classic_sync(member, 1, {member: given(0, 1, 2, 3)})
    assert bench.state == "Stable"
    return member


@pytest.fixture
def bench():
    return bench_with()


@pytest.fixture
def mixed(bench):
    """A classic member with 0 and 1, a consumer with 2 and 3; `bench.old` is the classic one's id."""
    bench.old = classic_group(bench)
    bench.join("new", "t", server_assignor="range")
    bench.classic_join(bench.old, metadata(0, 1, 2, 3))
    assert partitions_of(bench.classic_sync(bench.old, 1)) == [0, 1]
    again = bench.classic_join(bench.old, metadata(0, 1))
    assert partitions_of(bench.classic_sync(bench.old, again.generation_id)) == [0, 1]
    bench.beat("new", 2)
    assert bench.state == "Stable"
    return bench


class TestUpgrade:
    def test_the_first_consumer_makes_it_a_consumer_group(self, bench):
        old = classic_group(bench)
        written = len(bench.log)
        answer = bench.join("new", "t")
        assert (answer.error_code, answer.member_epoch, bench.told(answer)) == (0, 2, {})
        assert isinstance(bench.shard.groups[GROUP], ConsumerGroup)
        assert bench.written(written)[:6] == [
            "-GroupMetadata",
            "MemberMetadata",
            "Metadata",
            "TargetAssignmentMember",
            "TargetAssignmentMetadata",
            "CurrentMemberAssignment",
        ]
        assert bench.has(old) == {"t": [0, 1, 2, 3]}
        assert bench.classic_beat(old, 1) is ErrorCode.REBALANCE_IN_PROGRESS

    def test_members_hand_over_in_both_protocols(self, mixed):
        assert sorted(mixed.has("new")["t"] + mixed.has(mixed.old)["t"]) == [0, 1, 2, 3]
        assert mixed.classic_beat(mixed.old, 2) is ErrorCode.NONE

    def test_who_waits_for_the_old_group_is_told(self, bench):
        old = classic_group(bench)
        waiting = bench.classic_join("", metadata())
        assert waiting is None
        bench.join("new", "t")
        [answer] = bench.answers.values()
        assert answer.error_code == ErrorCode.REBALANCE_IN_PROGRESS
        assert old in bench.group.members

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"can_upgrade": False}, "online upgrade is disabled"),
            ({"size_max": 0}, "the group size exceeds the consumer group maximum size"),
        ],
    )
    def test_where_it_may_not(self, settings, reason):
        bench = bench_with(**settings)
        classic_group(bench)
        answer = bench.join("new", "t")
        assert (answer.error_code, answer.error_message) == (
            ErrorCode.GROUP_ID_NOT_FOUND,
            f"Cannot upgrade classic group g to consumer group because {reason}.",
        )
        assert isinstance(bench.shard.groups[GROUP], ClassicGroup)

    @pytest.mark.parametrize(
        ("assignment", "reason"),
        [
            (b"\x00", "the embedded consumer protocol is malformed"),
            (given(0)[:-4] + b"\x00\x00\x00\x01x", "an unsupported custom assignor is in use. Please refer"),
        ],
    )
    def test_assignments_that_cannot_be_taken_over(self, bench, assignment, reason):
        member = bench.classic_join("", metadata()).member_id
        bench.classic_sync(member, 1, {member: assignment})
        answer = bench.join("new", "t")
        assert answer.error_code == ErrorCode.GROUP_ID_NOT_FOUND
        assert reason in answer.error_message
        assert isinstance(bench.shard.groups[GROUP], ClassicGroup)

    def test_an_upgrade_that_is_not_written(self, bench):
        old = classic_group(bench)
        bench.refuse = ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert bench.join("new", "t").error_code == ErrorCode.NOT_COORDINATOR
        assert bench.classic_beat(old, 1) is ErrorCode.NONE
        assert bench.state == "Stable"

    def test_an_empty_classic_group_is_simply_replaced(self, bench):
        old = classic_group(bench)
        bench.classic_leave((old, None))
        written = len(bench.log)
        assert bench.join("new", "t").member_epoch == 2
        assert bench.written(written)[0] == "-GroupMetadata"

    def test_an_upgraded_member_keeps_its_session(self, bench):
        bench.old = classic_group(bench)
        bench.join("new", "t")
        bench.advance(9_999)
        assert bench.classic_beat(bench.old, 1) is ErrorCode.REBALANCE_IN_PROGRESS
        bench.advance(9_999)
        assert bench.old in bench.group.members
        bench.advance(1)
        assert bench.old not in bench.group.members

    def test_who_is_told_to_join_has_the_rebalance_timeout(self, bench):
        old = classic_group(bench)
        bench.join("new", "t")
        for _ in range(REBALANCE_MS // 5_000):
            assert old in bench.group.members
            assert bench.classic_beat(old, 1) is ErrorCode.REBALANCE_IN_PROGRESS
            bench.beat("new", 2)
            bench.advance(5_000)
        assert old not in bench.group.members


class TestDowngrade:
    def test_the_last_consumer_leaves_a_classic_group(self, mixed):
        mixed.beat("new", -1)
        assert isinstance(mixed.shard.groups[GROUP], ClassicGroup)
        assert mixed.state == "PreparingRebalance"
        assert mixed.classic_beat(mixed.old, 2) is ErrorCode.REBALANCE_IN_PROGRESS
        answer = mixed.classic_join(mixed.old, metadata(0, 1))
        assert (answer.error_code, answer.generation_id, answer.leader) == (0, 3, mixed.old)

    def test_the_session_of_the_last_consumer_ends(self, mixed):
        for _ in range(9):
            assert mixed.classic_beat(mixed.old, 2) is ErrorCode.NONE
            mixed.advance(5_000)
        assert isinstance(mixed.shard.groups[GROUP], ClassicGroup)

    def test_members_keep_all_their_protocols(self, bench):
        both = metadata() | {"roundrobin": subscription("t")}
        old = bench.classic_join("", both).member_id
        bench.classic_sync(old, 1, {old: given(0, 1, 2, 3)})
        bench.join("new", "t")
        bench.beat("new", -1)
        assert [protocol.name for protocol in bench.shard.groups[GROUP].members[old].protocols] == [
            "range",
            "roundrobin",
        ]

    def test_where_it_may_not(self):
        bench = bench_with(can_downgrade=False)
        old = classic_group(bench)
        bench.join("new", "t")
        bench.beat("new", -1)
        assert set(bench.group.members) == {old}

    def test_into_a_group_that_is_too_large(self):
        settings = GroupSettings(session_timeout_min_ms=1, initial_rebalance_delay_ms=0, group_size_max=1)
        bench = ConsumerBench(AT_ONCE, settings)
        bench.topic("t", 4)
        bench.join("new", "t")
        for _ in range(2):
            bench.classic_join("", metadata())
        bench.beat("new", -1)
        assert len(bench.group.members) == 2

    def test_a_restart_behind_it(self, mixed):
        mixed.beat("new", -1)
        mixed.restart()
        assert mixed.state == "Stable"
        assert partitions_of(mixed.classic_sync(mixed.old, 2)) == mixed_partitions(mixed)


def mixed_partitions(bench) -> list[int]:
    [member] = bench.shard.groups[GROUP].members
    return partitions_of(member)


class TestClassicMembers:
    def test_a_new_one_is_given_its_id_first(self, mixed):
        answer = mixed.classic_join("", metadata(), version=4)
        assert (answer.error_code, answer.member_id[:5]) == (ErrorCode.MEMBER_ID_REQUIRED, "made-")
        assert answer.member_id not in mixed.group.members
        assert mixed.classic_join(answer.member_id, metadata(), version=4).error_code == 0

    @pytest.mark.parametrize(
        ("protocols", "protocol_type"),
        [({"roundrobin": subscription("t")}, "consumer"), (metadata(), "connect")],
    )
    def test_one_who_speaks_differently(self, mixed, protocols, protocol_type):
        answer = mixed.classic_join("", protocols, protocol_type=protocol_type)
        assert (answer.error_code, answer.member_id) == (ErrorCode.INCONSISTENT_GROUP_PROTOCOL, "")

    def test_one_whose_metadata_cannot_be_read(self, mixed):
        answer = mixed.classic_join("", {"range": b"\x00\x00"})
        assert answer.error_code == ErrorCode.UNKNOWN_SERVER_ERROR

    def test_none_is_let_in_where_groups_must_not_mix(self, mixed):
        mixed.configs.settings = replace(AT_ONCE, can_upgrade=False, can_downgrade=False)
        answer = mixed.classic_join(mixed.old, metadata())
        assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL

    @pytest.mark.parametrize(
        ("member", "generation", "said", "code"),
        [
            ("old", 2, {}, ErrorCode.NONE),
            ("old", 1, {}, ErrorCode.ILLEGAL_GENERATION),
            ("new", 2, {}, ErrorCode.UNKNOWN_MEMBER_ID),
            ("who", 2, {}, ErrorCode.UNKNOWN_MEMBER_ID),
            ("old", 2, {"group_instance_id": "i"}, ErrorCode.UNKNOWN_MEMBER_ID),
            ("old", 2, {"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
            ("old", 2, {"protocol_name": "other"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ],
    )
    def test_syncs(self, mixed, member, generation, said, code):
        member = mixed.old if member == "old" else member
        assert mixed.classic_sync(member, generation, **said).error_code == code

    @pytest.mark.parametrize(
        ("member", "generation", "code"),
        [
            ("old", 2, ErrorCode.NONE),
            ("old", 3, ErrorCode.ILLEGAL_GENERATION),
            ("new", 2, ErrorCode.UNKNOWN_MEMBER_ID),
            ("who", 2, ErrorCode.UNKNOWN_MEMBER_ID),
        ],
    )
    def test_heartbeats(self, mixed, member, generation, code):
        assert mixed.classic_beat(mixed.old if member == "old" else member, generation) is code

    def test_one_that_never_syncs_is_out(self, mixed):
        mixed.classic_join(mixed.old, metadata(0, 1))
        for _ in range(REBALANCE_MS // 5_000):
            assert mixed.old in mixed.group.members
            assert mixed.classic_beat(mixed.old, 2) is ErrorCode.NONE
            mixed.beat("new", 2)
            mixed.advance(5_000)
        assert mixed.old not in mixed.group.members

    def test_leaving_by_either_request(self, mixed):
        assert mixed.classic_leave(("who", None), (mixed.old, None)) == [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE]
        assert set(mixed.group.members) == {"new"}
        assert mixed.classic_leave(("new", None)) == [ErrorCode.NONE]
        assert mixed.state == "Empty"

    def test_a_leave_that_is_not_written(self, mixed):
        mixed.refuse = ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert mixed.classic_leave((mixed.old, None)) == [ErrorCode.NOT_COORDINATOR]
        assert mixed.old in mixed.group.members

    def test_an_empty_consumer_group_becomes_a_classic_one(self, bench):
        bench.join("new", "t")
        bench.beat("new", -1)
        assert bench.classic_join("gone", metadata()).error_code == ErrorCode.UNKNOWN_MEMBER_ID
        written = len(bench.log)
        assert bench.classic_join("", metadata()).generation_id == 1
        assert bench.written(written) == [
            "-TargetAssignmentMetadata",
            "-PartitionMetadata",
            "-Metadata",
            "GroupMetadata",
        ]

    def test_nobody_syncs_with_an_empty_group(self, bench):
        bench.join("new", "t")
        bench.beat("new", -1)
        assert bench.classic_sync("new", 2).error_code == ErrorCode.UNKNOWN_MEMBER_ID


class TestStaticMembers:
    def test_a_consumer_takes_the_place_of_a_classic_member(self, bench):
        old = bench.classic_join("", metadata(), instance="i").member_id
        bench.classic_sync(old, 1, {old: given(0, 1, 2, 3)}, group_instance_id="i")
        answer = bench.join("new", "t", instance_id="i")
        assert bench.told(answer) == {"t": [0, 1, 2, 3]}
        assert set(bench.group.members) == {"new"}
        assert bench.classic_beat(old, 1, group_instance_id="i") is ErrorCode.FENCED_INSTANCE_ID

    def test_a_classic_member_takes_the_place_of_the_last_consumer(self, bench):
        bench.join("new", "t", instance_id="i")
        answer = bench.classic_join("", metadata(), instance="i")
        assert (answer.error_code, answer.generation_id) == (0, 2)
        assert isinstance(bench.shard.groups[GROUP], ClassicGroup)
        synced = bench.classic_sync(answer.member_id, 2, group_instance_id="i")
        assert partitions_of(synced) == [0, 1, 2, 3]

    def test_with_another_subscription_the_classic_group_rebalances(self, bench):
        bench.topic("u", 1)
        bench.join("new", "t", instance_id="i")
        answer = bench.classic_join("", {"range": subscription("u")}, instance="i")
        assert answer.error_code == 0
        assert bench.state == "PreparingRebalance"

    def test_one_of_several_stays_in_the_consumer_group(self, bench):
        bench.join("new", "t", instance_id="i")
        bench.join("other", "t")
        answer = bench.classic_join("", metadata(), instance="i")
        assert set(bench.group.members) == {answer.member_id, "other"}
        assert bench.classic_leave(("", "i")) == [ErrorCode.NONE]
        assert set(bench.group.members) == {"other"}

    def test_an_id_that_was_replaced_is_fenced(self, bench):
        bench.join("new", "t", instance_id="i")
        bench.join("other", "t")
        old = bench.classic_join("", metadata(), instance="i").member_id
        bench.classic_join("", metadata(), instance="i")
        assert bench.classic_join(old, metadata(), instance="i").error_code == ErrorCode.FENCED_INSTANCE_ID
        assert bench.classic_join("who", metadata(), instance="ix").error_code == ErrorCode.UNKNOWN_MEMBER_ID
