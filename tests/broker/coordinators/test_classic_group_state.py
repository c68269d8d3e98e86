"""Every pair of states: the legal ways are open, all others raise."""

from __future__ import annotations

import itertools

import pytest
from ottla.broker.coordinators.classic_group import ClassicGroup
from ottla.broker.coordinators.classic_group_state import (
    LEGAL_TRANSITIONS,
    ClassicGroupState,
    IllegalTransitionError,
)
from ottla.broker.coordinators.group_effects import Moment
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.protocol.stored.classic_groups import GroupMetadataValue, MemberMetadata

EMPTY, PREPARING, COMPLETING, STABLE, DEAD = ClassicGroupState
LEGAL = {
    (EMPTY, PREPARING),
    (EMPTY, DEAD),
    (PREPARING, COMPLETING),
    (PREPARING, EMPTY),
    (PREPARING, DEAD),
    (COMPLETING, STABLE),
    (COMPLETING, PREPARING),
    (COMPLETING, DEAD),
    (STABLE, STABLE),
    (STABLE, PREPARING),
    (STABLE, DEAD),
}


def group_in(state: ClassicGroupState) -> ClassicGroup:
    group = ClassicGroup("g", GroupSettings())
    group.state = state
    return group


def test_every_state_has_its_row():
    assert set(LEGAL_TRANSITIONS) == set(ClassicGroupState)


@pytest.mark.parametrize(("current", "target"), list(itertools.product(ClassicGroupState, repeat=2)))
def test_transition(current, target):
    group = group_in(current)
    if (current, target) in LEGAL:
        group.transition(target, Moment(5, 70))
        assert (group.previous_state, group.state, group.state_since_ms) == (current, target, 70)
    else:
        with pytest.raises(IllegalTransitionError):
            group.transition(target, Moment(5, 70))
        assert group.state is current


@pytest.mark.parametrize("current", [EMPTY, PREPARING])
def test_a_record_cannot_take_a_live_group_where_it_may_not_go(current):
    group = group_in(current)
    group.wake_by(1000)
    value = GroupMetadataValue(protocol_type="x", protocol="p", leader="m", members=[MemberMetadata(member_id="m")])
    with pytest.raises(IllegalTransitionError):
        group.replay(value)


def test_the_states_have_kafkas_names():
    assert [state.value for state in ClassicGroupState] == [
        "Empty",
        "PreparingRebalance",
        "CompletingRebalance",
        "Stable",
        "Dead",
    ]
