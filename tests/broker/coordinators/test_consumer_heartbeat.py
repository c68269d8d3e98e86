"""Joining and staying in a consumer group, one request after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ottla.broker.coordinators.consumer_settings import ConsumerGroupSettings
from ottla.protocol.errors import ErrorCode

from .consumer_bench import AT_ONCE, GROUP, REBALANCE_MS, SESSION_MS, ConsumerBench


@pytest.fixture
def bench():
    bench = ConsumerBench()
    bench.topic("t", 4)
    return bench


@pytest.fixture
def pair(bench):
    """a and b with two partitions each, in epoch 3."""
    bench.join("a", "t")
    bench.join("b", "t")
    bench.beat("a", 2)
    bench.beat("a", 2, {"t": [0, 1]})
    bench.beat("b", 3)
    assert bench.state == "Stable"
    return bench


def test_the_first_member_gets_everything_at_once(bench):
    answer = bench.join("a", "t")
    assert (answer.error_code, answer.member_id, answer.member_epoch) == (0, "a", 2)
    assert answer.heartbeat_interval_ms == 5_000
    assert bench.told(answer) == {"t": [0, 1, 2, 3]}
    assert bench.state == "Stable"
    assert bench.written() == [
        "MemberMetadata",
        "Metadata",
        "TargetAssignmentMember",
        "TargetAssignmentMetadata",
        "CurrentMemberAssignment",
    ]


def test_a_partition_waits_for_its_owner(bench):
    bench.join("a", "t")
    answer = bench.join("b", "t")
    assert (answer.member_epoch, bench.told(answer)) == (3, {})
    answer = bench.beat("a", 2)
    assert (answer.member_epoch, bench.told(answer)) == (2, {"t": [0, 1]})
    assert bench.beat("b", 3).assignment is None
    # It still has what it must give up: nothing moves.
    assert bench.beat("a", 2, {"t": [0, 1, 2, 3]}).member_epoch == 2
    assert bench.beat("a", 2).member_epoch == 2
    answer = bench.beat("a", 2, {"t": [0, 1]})
    assert (answer.member_epoch, answer.assignment) == (3, None)
    assert bench.told(bench.beat("b", 3)) == {"t": [2, 3]}
    assert bench.state == "Stable"


def test_a_heartbeat_without_news_writes_nothing(pair):
    written = len(pair.log)
    answer = pair.beat("a", 3)
    assert (answer.error_code, answer.member_epoch, answer.assignment) == (0, 3, None)
    assert len(pair.log) == written


def test_a_full_request_is_answered_in_full(pair):
    said = {"rebalance_timeout_ms": REBALANCE_MS, "subscribed_topic_names": ["t"]}
    assert pair.told(pair.beat("a", 3, {"t": [0, 1]}, **said)) == {"t": [0, 1]}


def test_another_client_id_is_written_without_a_rebalance(pair):
    written = len(pair.log)
    assert pair.beat("a", 3, client_id="renamed").member_epoch == 3
    assert pair.written(written) == ["MemberMetadata"]
    assert pair.group.members["a"].client_id == "renamed"


@pytest.mark.parametrize(
    ("epoch", "owned", "code"),
    [
        (3, None, ErrorCode.NONE),
        (4, None, ErrorCode.FENCED_MEMBER_EPOCH),
        (2, None, ErrorCode.FENCED_MEMBER_EPOCH),
        (2, {"t": [0, 1]}, ErrorCode.NONE),
        (2, {"t": []}, ErrorCode.NONE),
        (2, {}, ErrorCode.NONE),
        (2, {"t": [0, 2]}, ErrorCode.FENCED_MEMBER_EPOCH),
        (2, {"u": [0]}, ErrorCode.FENCED_MEMBER_EPOCH),
        (1, {"t": [0]}, ErrorCode.FENCED_MEMBER_EPOCH),
    ],
)
def test_epochs(pair, epoch, owned, code):
    answer = pair.beat("a", epoch, owned)
    assert answer.error_code == code
    if code is ErrorCode.FENCED_MEMBER_EPOCH:
        word = "greater" if epoch > 3 else "smaller"
        assert answer.error_message == (
            f"The consumer group member has a {word} member epoch ({epoch}) than the one known by the group "
            "coordinator (3). The member must abandon all its partitions and rejoin."
        )


def test_a_member_that_joins_again_is_told_what_it_has(pair):
    answer = pair.join("a", "t")
    assert (answer.member_epoch, pair.told(answer)) == (3, {"t": [0, 1]})


@pytest.mark.parametrize(
    ("member", "epoch", "code", "message"),
    [
        ("a", 1, ErrorCode.GROUP_ID_NOT_FOUND, "Consumer group g not found."),
        ("a", -1, ErrorCode.GROUP_ID_NOT_FOUND, "Group g not found."),
    ],
)
def test_a_group_that_is_not_there(bench, member, epoch, code, message):
    answer = bench.beat(member, epoch)
    assert (answer.error_code, answer.error_message) == (code, message)
    assert bench.log == []


@pytest.mark.parametrize("epoch", [3, -1])
def test_a_member_that_is_not_there(pair, epoch):
    answer = pair.beat("who", epoch)
    assert (answer.error_code, answer.error_message) == (
        ErrorCode.UNKNOWN_MEMBER_ID,
        "Member who is not a member of group g.",
    )


def test_a_full_group_lets_only_its_members_in():
    bench = ConsumerBench(replace(AT_ONCE, size_max=1))
    bench.topic("t", 1)
    bench.join("a", "t")
    answer = bench.join("b", "t")
    assert (answer.error_code, answer.error_message) == (
        ErrorCode.GROUP_MAX_SIZE_REACHED,
        "The consumer group has reached its maximum capacity of 1 members.",
    )
    assert bench.join("a", "t").error_code == 0
    assert bench.beat("a", 2).error_code == 0


def test_the_server_makes_an_id_for_who_has_none(bench):
    answer = bench.join("", "t")
    assert answer.member_id == "made-1"
    assert set(bench.group.members) == {"made-1"}


def test_members_who_come_together_share_an_assignment():
    bench = ConsumerBench(ConsumerGroupSettings())
    bench.topic("t", 4)
    bench.join("a", "t")
    late = bench.join("b", "t")
    assert (late.member_epoch, bench.told(late)) == (2, {})
    assert bench.state == "Assigning"
    bench.join("c", "t")
    bench.advance(999)
    assert bench.beat("b", 2).member_epoch == 2
    bench.advance(1)
    assert bench.beat("b", 2).member_epoch == 4
    assert bench.group.assignment_epoch == bench.group.epoch == 4


def test_a_topic_that_appears_grows_and_vanishes(bench):
    bench.join("a", "t", "later")
    assert bench.beat("a", 2).assignment is None
    bench.topic("later", 1)
    assert bench.told(bench.beat("a", 2)) == {"t": [0, 1, 2, 3], "later": [0]}
    bench.grow("later", 2)
    assert bench.told(bench.beat("a", 3)) == {"t": [0, 1, 2, 3], "later": [0, 1]}
    bench.drop("t")
    answer = bench.beat("a", 4)
    assert bench.told(answer) == {"later": [0, 1]}
    assert bench.beat("a", 4, {"later": [0, 1]}).member_epoch == 5
    assert bench.state == "Stable"


def test_a_topic_that_nobody_reads_moves_nobody(pair):
    epoch = pair.group.epoch
    pair.topic("other", 3)
    assert not pair.shard.context.is_out_of_date(pair.group)
    pair.beat("a", 3)
    assert pair.group.epoch == epoch


def test_a_subscription_that_shrinks_takes_partitions_away(bench):
    bench.topic("u", 2)
    bench.join("a", "t", "u")
    answer = bench.beat("a", 2, subscribed_topic_names=["u"])
    assert bench.told(answer) == {"u": [0, 1]}
    assert bench.beat("a", 2, {"t": [1], "u": [0, 1]}).member_epoch == 2
    assert bench.beat("a", 2, {"u": [0, 1]}).member_epoch == 3


class TestStaticMembers:
    @pytest.fixture
    def bench(self, bench):
        bench.join("a", "t", instance_id="ia")
        return bench

    def test_comes_back_to_what_it_had(self, bench):
        answer = bench.beat("a", -2, instance_id="ia")
        assert (answer.error_code, answer.member_id, answer.member_epoch) == (0, "a", -2)
        assert bench.state == "Reconciling"
        written = len(bench.log)
        answer = bench.join("a2", "t", instance_id="ia")
        assert (answer.member_epoch, bench.told(answer)) == (2, {"t": [0, 1, 2, 3]})
        assert bench.written(written)[:6] == [
            "-CurrentMemberAssignment",
            "-TargetAssignmentMember",
            "-MemberMetadata",
            "MemberMetadata",
            "TargetAssignmentMember",
            "CurrentMemberAssignment",
        ]
        assert set(bench.group.members) == {"a2"}
        assert bench.state == "Stable"

    def test_is_not_replaced_while_it_is_in(self, bench):
        answer = bench.join("a2", "t", instance_id="ia")
        assert (answer.error_code, answer.error_message) == (
            ErrorCode.UNRELEASED_INSTANCE_ID,
            "Static member a2 with instance id ia cannot join the group because the instance id is owned by a member.",
        )

    def test_an_old_id_is_fenced(self, bench):
        bench.beat("a", -2, instance_id="ia")
        bench.join("a2", "t", instance_id="ia")
        for epoch in (2, -1, -2):
            answer = bench.beat("a", epoch, instance_id="ia")
            assert (answer.error_code, answer.error_message) == (
                ErrorCode.FENCED_INSTANCE_ID,
                "Static member a with instance id ia was fenced by member a2.",
            )

    @pytest.mark.parametrize("epoch", [2, -1, -2])
    def test_an_instance_that_is_not_there(self, bench, epoch):
        answer = bench.beat("a", epoch, instance_id="ix")
        assert (answer.error_code, answer.error_message) == (
            ErrorCode.UNKNOWN_MEMBER_ID,
            "Instance id ix is unknown.",
        )

    def test_one_that_is_away_for_too_long_loses_its_partitions(self, bench):
        bench.join("b", "t")
        bench.beat("a", -2, instance_id="ia")
        bench.advance(SESSION_MS - 1)
        bench.beat("b", 3)
        bench.advance(1)
        assert set(bench.group.members) == {"b"}
        assert bench.told(bench.beat("b", 3)) == {"t": [0, 1, 2, 3]}


def test_what_the_log_does_not_take_did_not_happen(pair):
    members = dict(pair.group.members)
    pair.refuse = ErrorCode.NOT_LEADER_OR_FOLLOWER
    answer = pair.beat("a", 3, subscribed_topic_names=[])
    assert answer.error_code == ErrorCode.NOT_COORDINATOR
    assert pair.group.members == members
    assert pair.group.epoch == 3


def test_a_restart_in_the_middle_of_a_hand_over(bench):
    bench.join("a", "t")
    bench.join("b", "t")
    bench.beat("a", 2)
    bench.restart()
    assert bench.beat("b", 3).assignment is None
    assert bench.beat("a", 2, {"t": [0, 1]}).member_epoch == 3
    bench.restart()
    assert bench.told(bench.beat("b", 3)) == {"t": [2, 3]}
    assert bench.state == "Stable"


@pytest.mark.parametrize("assignors", [("range", "uniform"), ("uniform", "range")])
def test_of_two_assignors_with_as_many_votes_uniform_is_taken(bench, assignors):
    for member, assignor in zip("ab", assignors, strict=True):
        bench.join(member, "t", server_assignor=assignor)
    assert bench.group.preferred_assignor(None, None) == "uniform"


def test_the_assignor_that_most_ask_for(bench):
    bench.join("a", "t", server_assignor="range")
    bench.join("b", "t", server_assignor="range")
    bench.join("c", "t", server_assignor="uniform")
    assert bench.group.preferred_assignor(None, None) == "range"
    bench.beat("c", -1)
    bench.beat("a", 2, server_assignor="uniform")
    bench.beat("b", 3, server_assignor="uniform")
    assert bench.group.server_assignors == {"uniform": 2}


def test_groups_do_not_know_each_other(bench):
    bench.join("a", "t")
    bench.join("a", "t", group_id="other")
    assert bench.has("a") == {"t": [0, 1, 2, 3]}
    assert bench.shard.groups["other"].members["a"].assigned == bench.shard.groups[GROUP].members["a"].assigned


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_one_who_reads_nothing_gets_nothing_whatever_else_has_changed(bench, assignor):
    """Kafka takes such a newcomer for one who reads what all others do, when the group has a newer epoch already."""
    bench.join("a", "t", server_assignor=assignor)
    bench.join("b", "t", server_assignor=assignor)
    bench.beat("b", -1)
    assert bench.state == "Assigning"
    bench.join("c", server_assignor=assignor)
    assert bench.group.targets["c"] == {}
    assert sorted(bench.group.targets["a"].popitem()[1]) == [0, 1, 2, 3]
