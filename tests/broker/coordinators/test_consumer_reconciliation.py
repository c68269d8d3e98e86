"""Every state of a member under each target, and under each thing that it may say it has."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ottla.broker.coordinators.consumer_member import ConsumerMember, MemberState
from ottla.broker.coordinators.consumer_reconciliation import Reconciliation, Target
from ottla.broker.coordinators.group_refusal import GroupRefusal

T = b"topic-id-16bytes"
U = b"another-id-bytes"
STABLE, UNREVOKED, UNRELEASED, UNKNOWN = MemberState
SAYS_NOTHING = None


def owned(*partitions: int) -> dict[bytes, dict[int, int]]:
    """Partitions that were given in epoch 1."""
    return {T: dict.fromkeys(partitions, 1)} if partitions else {}


def member(state: MemberState, assigned=(), revoking=(), epoch: int = 1) -> ConsumerMember:
    return ConsumerMember("m", epoch=epoch, state=state, assigned=owned(*assigned), revoking=owned(*revoking))


def step(
    of: ConsumerMember, target, *, epoch: int = 2, says=SAYS_NOTHING, taken=(), readable=(T,), changed: bool = False
) -> ConsumerMember:
    """`taken` are partitions that another member has; `says` is what the member says it has."""
    told = None if says is None else [SimpleNamespace(topic_id=T, partitions=list(says))] if says else []
    wanted = {T: frozenset(target)} if target else {}
    reconciliation = Reconciliation(
        of,
        Target(epoch, wanted),
        readable_topic_ids=frozenset(readable),
        epoch_of=lambda topic_id, partition: 1 if topic_id == T and partition in taken else -1,
        owned=told,
    )
    return reconciliation.next_step(subscription_changed=changed)


def shape(of: ConsumerMember):
    return of.state, of.epoch, sorted(of.assigned.get(T, ())), sorted(of.revoking.get(T, ()))


STEPS = [
    # A stable member whose group has gone on.
    (member(STABLE, [0, 1]), [0, 1], SAYS_NOTHING, (), (STABLE, 2, [0, 1], [])),
    (member(STABLE, [0, 1]), [0, 1, 2], SAYS_NOTHING, (), (STABLE, 2, [0, 1, 2], [])),
    (member(STABLE, [0, 1]), [0, 1, 2], SAYS_NOTHING, (2,), (UNRELEASED, 2, [0, 1], [])),
    (member(STABLE, [0, 1]), [0], SAYS_NOTHING, (), (UNREVOKED, 1, [0], [1])),
    (member(STABLE, [0, 1]), [0], (0, 1), (), (UNREVOKED, 1, [0], [1])),
    (member(STABLE, [0, 1]), [0], (0,), (), (STABLE, 2, [0], [])),
    (member(STABLE, [0, 1]), [2], SAYS_NOTHING, (), (UNREVOKED, 1, [], [0, 1])),
    (member(STABLE, [0, 1]), [], (), (), (STABLE, 2, [], [])),
    (member(STABLE), [], SAYS_NOTHING, (), (STABLE, 2, [], [])),
    # One that has to give up partitions stays where it is until it says that it has.
    (member(UNREVOKED, [0], [1]), [0, 2], SAYS_NOTHING, (), (UNREVOKED, 1, [0], [1])),
    (member(UNREVOKED, [0], [1]), [0, 2], (0, 1), (), (UNREVOKED, 1, [0], [1])),
    (member(UNREVOKED, [0], [1]), [0, 2], (0,), (), (STABLE, 2, [0, 2], [])),
    (member(UNREVOKED, [0], [1]), [0, 2], (0,), (2,), (UNRELEASED, 2, [0], [])),
    (member(UNREVOKED, [0], [1]), [2], (0,), (), (UNREVOKED, 1, [], [0])),
    (member(UNREVOKED, [0], [1]), [0, 1], (0,), (1,), (STABLE, 2, [0, 1], [])),
    # One that waits for others gets what has become free, and has to give up what it is to have no more.
    (member(UNRELEASED, [0], epoch=2), [0, 2], SAYS_NOTHING, (2,), (UNRELEASED, 2, [0], [])),
    (member(UNRELEASED, [0], epoch=2), [0, 2], SAYS_NOTHING, (), (STABLE, 2, [0, 2], [])),
    (member(UNRELEASED, [0], epoch=2), [0, 2, 3], SAYS_NOTHING, (3,), (UNRELEASED, 2, [0, 2], [])),
    (member(UNRELEASED, [0], epoch=1), [2], SAYS_NOTHING, (2,), (UNREVOKED, 1, [], [0])),
    # One in a state of a newer version begins again with nothing.
    (member(UNKNOWN, [0], [1]), [0, 2], (), (), (STABLE, 2, [0, 2], [])),
    (member(UNKNOWN), [0], (), (0,), (UNRELEASED, 2, [], [])),
]
# By state, those to which one step leads. From a state that is not known nothing is left to be given up.
WAYS = {
    STABLE: {STABLE, UNREVOKED, UNRELEASED},
    UNREVOKED: {STABLE, UNREVOKED, UNRELEASED},
    UNRELEASED: {STABLE, UNREVOKED, UNRELEASED},
    UNKNOWN: {STABLE, UNRELEASED},
}


def test_every_way_is_gone():
    gone = {state: {after[0] for before, *_, after in STEPS if before.state is state} for state in MemberState}
    assert gone == WAYS


@pytest.mark.parametrize(("before", "target", "says", "taken", "after"), STEPS)
def test_a_step(before, target, says, taken, after):
    assert shape(step(before, target, says=says, taken=taken)) == after


@pytest.mark.parametrize("state", [STABLE, UNREVOKED])
def test_without_anything_new_it_is_the_same_member(state):
    before = member(state, [0], [1] if state is UNREVOKED else [], epoch=2)
    assert step(before, [0]) is before


@pytest.mark.parametrize("says", [SAYS_NOTHING, (0,)])
def test_a_member_in_an_unknown_state_that_has_something_is_fenced(says):
    with pytest.raises(GroupRefusal, match="must abandon all its partitions"):
        step(member(UNKNOWN, [0]), [0], says=says)


def test_new_partitions_have_the_epoch_in_which_they_were_given():
    after = step(member(STABLE, [0]), [0, 1])
    assert after.assigned == {T: {0: 1, 1: 2}}
    assert after.previous_epoch == 1


@pytest.mark.parametrize(
    ("before", "says", "after"),
    [
        (member(STABLE, [0], epoch=2), SAYS_NOTHING, (UNREVOKED, 2, [], [0])),
        (member(STABLE, [0], epoch=2), (), (STABLE, 2, [], [])),
        (member(UNREVOKED, [0], [1], epoch=2), SAYS_NOTHING, (UNREVOKED, 2, [], [0, 1])),
        (member(STABLE, [], epoch=2), SAYS_NOTHING, (STABLE, 2, [], [])),
    ],
)
def test_topics_that_are_read_no_more_are_taken_away_before_the_next_target(before, says, after):
    assert shape(step(before, [0], says=says, readable=(U,), changed=True)) == after


def test_what_a_target_says_of_a_topic_that_is_read_no_more_is_not_given():
    assert shape(step(member(STABLE), [0], readable=(U,))) == (STABLE, 2, [], [])
