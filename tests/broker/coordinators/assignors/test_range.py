"""`range`: runs of partitions, the longer ones first."""

from __future__ import annotations

from ottla.broker.coordinators.assignors.group_spec import GroupSpec, MemberSpec
from ottla.broker.coordinators.assignors.range import RangeAssignor

T, U = b"t" * 16, b"u" * 16


def assign(members, counts):
    specs = {name: MemberSpec(topics, {T: frozenset({0})}, instance) for name, (topics, instance) in members.items()}
    return RangeAssignor().assign(GroupSpec(specs, False, {}, counts))


def test_the_first_members_get_the_longer_runs():
    assigned = assign({"b": ([T], None), "a": ([T], None), "c": ([T], None)}, {T: 8})
    assert assigned == {"a": {T: {0, 1, 2}}, "b": {T: {3, 4, 5}}, "c": {T: {6, 7}}}


def test_topics_of_equal_size_meet_at_one_member():
    assigned = assign({"a": ([T, U], None), "b": ([T, U], None)}, {T: 3, U: 3})
    assert assigned == {"a": {T: {0, 1}, U: {0, 1}}, "b": {T: {2}, U: {2}}}


def test_members_beyond_the_partitions_get_nothing():
    assert assign({"a": ([T], None), "b": ([T], None)}, {T: 1}) == {"a": {T: {0}}, "b": {}}


def test_static_members_go_first_in_the_order_of_their_instances():
    assigned = assign({"a": ([T], None), "z": ([T], "i2"), "y": ([T], "i3")}, {T: 3})
    assert assigned == {"z": {T: {0}}, "y": {T: {1}}, "a": {T: {2}}}


def test_each_topic_is_cut_for_its_own_subscribers():
    assigned = assign({"a": ([T], None), "b": ([T, U], None), "c": ([U], None)}, {T: 4, U: 2})
    assert assigned == {"a": {T: {0, 1}}, "b": {T: {2, 3}, U: {0}}, "c": {U: {1}}}


def test_nobody():
    assert assign({}, {}) == {}
