"""`uniform`: even loads, and as few moves as evenness allows, with equal and with different subscriptions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.coordinators.assignors.group_spec import GroupSpec, MemberSpec
from ottla.broker.coordinators.assignors.uniform import UniformAssignor

T, U, V = b"t" * 16, b"u" * 16, b"v" * 16


def spec(members, counts, *, homogeneous):
    """`members` by name: the topics that it reads, and what it had."""
    owners: dict[bytes, dict[int, str]] = {}
    specs = {}
    for name, (topics, had) in members.items():
        specs[name] = MemberSpec(topics, {topic: frozenset(own) for topic, own in had.items()})
        for topic, own in had.items():
            owners.setdefault(topic, {}).update(dict.fromkeys(own, name))
    return GroupSpec(specs, homogeneous, owners, counts)


def loads(assigned):
    return sorted(sum(map(len, own.values())) for own in assigned.values())


def test_everybody_gets_as_many():
    assigned = UniformAssignor().assign(spec({name: ([T, U], {}) for name in "abc"}, {T: 5, U: 3}, homogeneous=True))
    assert loads(assigned) == [2, 3, 3]


def test_only_the_excess_moves():
    group = spec({"a": ([T], {T: range(6)}), "b": ([T], {})}, {T: 6}, homogeneous=True)
    assert UniformAssignor().assign(group) == {"a": {T: {0, 1, 2}}, "b": {T: {3, 4, 5}}}


def test_one_who_has_one_more_keeps_it():
    group = spec({"a": ([T], {T: [0, 1]}), "b": ([T], {T: [2, 3, 4]})}, {T: 5}, homogeneous=True)
    assert UniformAssignor().assign(group) == {"a": {T: {0, 1}}, "b": {T: {2, 3, 4}}}


def test_topics_that_are_read_no_more_are_dropped():
    group = spec({"a": ([T], {T: [0], U: [0, 1]})}, {T: 1}, homogeneous=True)
    assert UniformAssignor().assign(group) == {"a": {T: {0}}}


def test_no_topics_and_no_members():
    assert UniformAssignor().assign(spec({"a": ([], {})}, {}, homogeneous=True)) == {}
    assert UniformAssignor().assign(spec({}, {}, homogeneous=True)) == {}
    assert UniformAssignor().assign(spec({"a": ([], {}), "b": ([], {})}, {}, homogeneous=False)) == {}


def test_with_different_subscriptions_those_who_share_a_topic_are_balanced():
    group = spec({"a": ([T], {}), "b": ([T, U], {}), "c": ([U, V], {})}, {T: 4, U: 4, V: 1}, homogeneous=False)
    assigned = UniformAssignor().assign(group)
    load = {name: sum(map(len, own.values())) for name, own in assigned.items()}
    assert abs(load["a"] - load["b"]) <= 1
    assert abs(load["b"] - load["c"]) <= 1
    assert set(assigned["a"]) == {T}


def test_partitions_move_to_who_has_less():
    group = spec({"a": ([T], {T: range(4)}), "b": ([T, U], {})}, {T: 4, U: 0}, homogeneous=False)
    assert UniformAssignor().assign(group) == {"a": {T: {0, 1}}, "b": {T: {2, 3}}}


@st.composite
def groups(draw):
    counts = {topic: draw(st.integers(0, 9)) for topic in (T, U, V)}
    names = draw(st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True))
    homogeneous = draw(st.booleans())
    shared = draw(st.lists(st.sampled_from([T, U, V]), unique=True))
    members = {}
    free = {(topic, partition) for topic, count in counts.items() for partition in range(count)}
    for name in names:
        topics = shared if homogeneous else draw(st.lists(st.sampled_from([T, U, V]), unique=True))
        own = draw(st.lists(st.sampled_from(sorted(free)), unique=True)) if free else []
        free -= set(own)
        had: dict[bytes, list[int]] = {}
        for topic, partition in own:
            had.setdefault(topic, []).append(partition)
        members[name] = topics, had
    return members, counts, homogeneous


@given(groups())
def test_whatever_the_group_is(drawn):
    members, counts, homogeneous = drawn
    assigned = UniformAssignor().assign(spec(members, counts, homogeneous=homogeneous))
    given_out = [
        (topic, partition) for own in assigned.values() for topic, partitions in own.items() for partition in partitions
    ]
    read = {topic for topics, _ in members.values() for topic in topics}
    # Every partition that somebody reads has one owner, who reads it.
    assert sorted(given_out) == sorted((topic, p) for topic in read for p in range(counts[topic]))
    for name, own in assigned.items():
        assert set(own) <= set(members[name][0])
        assert all(own.values())
    if homogeneous and read:
        everybody = loads(assigned)
        assert everybody[-1] - everybody[0] <= 1
        kept = sum(
            len(set(had.get(topic, ())) & set(assigned[name].get(topic, ())))
            for name, (_, had) in members.items()
            for topic in read
        )
        assert kept == most_that_can_be_kept(members, read, len(given_out))


def most_that_can_be_kept(members, read, total):
    """With even loads: everybody keeps up to the mean, and as many as there are extras one more."""
    mean, extras = divmod(total, len(members))
    had = [sum(len(own) for topic, own in had.items() if topic in read) for _, had in members.values()]
    more = sum(count > mean for count in had)
    return sum(min(count, mean) for count in had) + min(more, extras)
