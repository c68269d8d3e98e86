"""What is asked of groups; each function is a script for one broker."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import classic_script

if TYPE_CHECKING:
    from .group_script import GroupScript


def subscription(*topics: str, owned: dict[str, list[int]] | None = None, version: int = 1) -> bytes:
    """A consumer's metadata."""
    data = struct.pack(">hi", version, len(topics))
    for topic in topics:
        data += struct.pack(">h", len(topic)) + topic.encode()
    data += struct.pack(">i", -1)
    if version >= 1:
        data += struct.pack(">i", len(owned or {}))
        for topic, partitions in (owned or {}).items():
            data += struct.pack(">h", len(topic)) + topic.encode()
            data += struct.pack(">i", len(partitions)) + b"".join(struct.pack(">i", one) for one in partitions)
    return data


def assignment(version: int = 1, **topics: list[int]) -> bytes:
    """What a leader hands out."""
    data = struct.pack(">hi", version, len(topics))
    for topic, partitions in topics.items():
        data += struct.pack(">h", len(topic)) + topic.encode()
        data += struct.pack(">i", len(partitions)) + b"".join(struct.pack(">i", one) for one in partitions)
    return data + struct.pack(">i", -1)


def bad_requests(s: GroupScript) -> None:
    g = "bad"
    s.beat(g, "", 0)
    s.beat(g, " \t", 0)
    s.beat("", "m", 0)
    s.beat("  ", "m", 0)
    s.beat(g, "", 5, version=0)
    s.beat(g, "", -1, version=0)
    s.beat(g, "m", 0, instance_id=" ")
    s.beat(g, "m", 0, rack_id="")
    s.beat(g, "m", 0)
    s.beat(g, "m", 0, rebalance_timeout_ms=1)
    s.beat(g, "m", 0, rebalance_timeout_ms=1, owned={"t": [0]})
    s.beat(g, "m", 0, rebalance_timeout_ms=1, owned={})
    s.beat(g, "m", -2)
    s.beat(g, "m", -3)
    s.join(g, "m", "t", server_assignor="what")
    s.beat(g, "m", 1)
    s.beat(g, "m", -1)
    s.beat(g, "m", -2, instance_id="i")
    s.describe(g, "", "none")
    s.list()


def alone(s: GroupScript) -> None:
    s.topic("t", 3)
    s.topic("u", 2)
    g = "alone"
    s.join(g, "m1", "t", "u")
    s.beat(g, "m1", 2)
    s.beat(g, "m1", 2, owned={"t": [0, 1, 2], "u": [0, 1]})
    s.join(g, "m1", "t", "u", epoch=2, owned={"t": [0, 1, 2]})
    s.beat(g, "m1", 1)
    s.beat(g, "m1", 1, owned={"t": [0]})
    s.beat(g, "m1", 0)
    s.beat(g, "m1", 3)
    s.beat(g, "nobody", 2)
    s.beat(g, "m1", 2, instance_id="i")
    s.join(g, "m1", "t", "u")
    s.describe(g, operations=True)
    s.describe(g, version=0)
    s.describe_classic(g)
    s.describe_classic(g, version=5)
    s.list()
    s.list(types=["Consumer"])
    s.list(types=["classic"])
    s.list(states=["stable"], types=["consumer"])
    s.list(states=["Empty"])
    s.beat(g, "m1", 2, subscribed_topic_names=["u"])
    s.beat(g, "m1", 2, owned={"t": [0], "u": [0, 1]})
    s.beat(g, "m1", 2, owned={"u": [0, 1]})
    s.beat(g, "m1", 3)
    s.describe(g)
    s.beat(g, "m1", 3, subscribed_topic_names=[])
    s.describe(g)
    s.beat(g, "m1", 3, owned={})
    s.beat(g, "m1", -1)
    s.describe(g)
    s.list()
    s.beat(g, "m1", 4)
    s.delete_group(g)
    s.describe(g)


def server_made_ids(s: GroupScript) -> None:
    s.topic("t", 3)
    answer = s.join("made", "", "t", version=0)
    s.beat("made", answer.member_id, answer.member_epoch, version=0)
    s.beat("made", answer.member_id, -1, version=0)


def hand_over(s: GroupScript) -> None:
    s.topic("h", 4)
    g = "hand-over"
    s.join(g, "a", "h")
    s.join(g, "b", "h")
    s.describe(g)
    s.beat(g, "b", 3)
    s.beat(g, "a", 2)
    s.describe(g)
    s.beat(g, "a", 2, owned={"h": [0, 1, 2, 3]})
    s.beat(g, "b", 3)
    s.beat(g, "a", 2, owned={"h": [0, 1]})
    s.beat(g, "a", 2, owned={"h": [0, 1]})
    s.beat(g, "b", 3)
    s.beat(g, "a", 3)
    s.describe(g)
    s.join(g, "c", "h")
    s.beat(g, "c", 4)
    s.beat(g, "b", 3)
    s.beat(g, "a", 3)
    s.describe(g)
    s.beat(g, "a", 3, owned={"h": [0, 1]})
    s.beat(g, "b", 3, owned={"h": [2]})
    s.beat(g, "c", 4)
    s.beat(g, "b", -1)
    s.beat(g, "a", 4)
    s.beat(g, "c", 4)
    s.describe(g)
    s.beat(g, "c", 5, owned={})
    s.beat(g, "c", 5)
    s.beat(g, "a", -1)
    s.beat(g, "c", 6)
    s.beat(g, "c", 5)
    s.describe(g)
    s.beat(g, "c", -1)
    s.describe(g)


def topics_come_and_go(s: GroupScript) -> None:
    g = "topics"
    s.join(g, "a", "later", "grows")
    s.beat(g, "a", 2)
    s.describe(g)
    s.topic("grows", 1)
    s.beat(g, "a", 2)
    s.beat(g, "a", 3)
    s.grow("grows", 3)
    s.beat(g, "a", 3)
    s.topic("later", 2)
    s.beat(g, "a", 4)
    s.describe(g)
    s.drop("grows")
    s.beat(g, "a", 5)
    s.beat(g, "a", 5, owned={"later": [0, 1]})
    s.beat(g, "a", 6)
    s.describe(g)
    s.topic("grows", 1)
    s.beat(g, "a", 6)
    s.beat(g, "a", 7)
    s.describe(g)


def static_members(s: GroupScript) -> None:
    s.topic("s", 4)
    g = "static"
    s.join(g, "a1", "s", instance_id="ia")
    s.join(g, "b1", "s", instance_id="ib")
    s.beat(g, "a1", 2, instance_id="ia", owned={"s": [0, 1]})
    s.beat(g, "b1", 3, instance_id="ib")
    s.beat(g, "a1", 3, instance_id="ia")
    s.join(g, "a2", "s", instance_id="ia")
    s.beat(g, "a2", 3, instance_id="ia")
    s.beat(g, "a1", 3, instance_id="ix")
    s.beat(g, "wrong", -2, instance_id="ia")
    s.beat(g, "a1", -2, instance_id="ia")
    s.describe(g)
    s.beat(g, "a1", 3, instance_id="ia")
    s.join(g, "a2", "s", instance_id="ia")
    s.describe(g)
    s.beat(g, "b1", 3, instance_id="ib")
    s.beat(g, "a2", 3, instance_id="ia")
    s.beat(g, "a1", 3, instance_id="ia")
    s.beat(g, "a2", -2, instance_id="ia")
    s.join(g, "a3", "s", "t", instance_id="ia")
    s.beat(g, "a3", 4, instance_id="ia")
    s.beat(g, "b1", 3, instance_id="ib")
    s.describe(g)
    s.beat(g, "a3", -1, instance_id="ia")
    s.beat(g, "b1", -1, instance_id="nobody")
    s.beat(g, "b1", 5, instance_id="ib", owned={"s": [2, 3]})
    s.classic_leave(g, ("", "ib"))
    s.describe(g)


def offsets(s: GroupScript) -> None:
    s.topic("o", 4)
    g = "offsets"
    s.commit(g, "", -1, "o", 0, 1)
    s.describe(g)
    s.join(g, "a", "o")
    s.fetch(g, None, -1, "o", 0)
    s.fetch(g, "a", 2, "o", 0)
    s.fetch(g, "a", 1, "o", 0)
    s.fetch(g, "x", 2, "o", 0)
    s.fetch(g, "a", 2, "o", 0, version=10)
    s.fetch(g, None, -1, "o", 3, version=8)
    s.commit(g, "a", 2, "o", 0, 5)
    s.commit(g, "a", 2, "o", 1, 6, version=10)
    s.commit(g, "a", 2, "o", 0, 5, version=8)
    s.commit(g, "a", 1, "o", 0, 5)
    s.commit(g, "a", 3, "o", 0, 5)
    s.commit(g, "x", 2, "o", 0, 5)
    s.commit(g, "", -1, "o", 0, 5)
    s.commit(g, "a", -1, "o", 0, 5)
    s.join(g, "b", "o")
    s.beat(g, "a", 2)
    s.commit(g, "a", 2, "o", 3, 7)
    s.commit(g, "a", 2, "o", 0, 7)
    s.beat(g, "a", 2, owned={"o": [0, 1]})
    s.commit(g, "a", 2, "o", 0, 8)
    s.commit(g, "a", 2, "o", 0, 8, version=10)
    s.commit(g, "a", 2, "o", 3, 8)
    s.beat(g, "b", 3)
    s.commit(g, "b", 3, "o", 3, 9)
    s.commit(g, "b", 2, "o", 3, 9)
    s.fetch(g, "b", 3, "o", 3)
    s.fetch(g, "b", 2, "o", 3)
    s.delete_offset(g, "o", 0)
    s.delete_group(g)
    s.beat(g, "b", -1)
    s.beat(g, "a", -1)
    s.delete_offset(g, "o", 0)
    s.fetch(g, None, -1, "o", 0)
    s.fetch(g, "a", 3, "o", 0)
    s.commit(g, "", -1, "o", 2, 11)
    s.commit(g, "a", 3, "o", 2, 12)
    s.commit("nowhere", "a", 3, "o", 2, 12)
    s.commit("nowhere", "a", 3, "o", 2, 12, version=8)
    s.delete_group(g)
    s.fetch(g, None, -1, "o", 2)


def patterns(s: GroupScript) -> None:
    for regex in (
        "a(",
        "a)",
        "[a",
        "a**",
        "*",
        "a{2}{3}",
        "(?z)",
        "(?P<n>a)(?P<n>b)",
        "(?P<>a)",
        "\\",
        "\\8",
        "a{1001}",
        "[b-a]",
        "\\pX",
        "\\p{Nope}",
        "[[:what:]]",
        "(?=a)",
        "\\C",
        "(?",
        "x{2,1}",
        "(?i-)",
        "(*a)",
        "|*",
    ):
        s.beat("patterns", "m", 0, rebalance_timeout_ms=1, subscribed_topic_regex=regex, owned={})


def both_ways_of_members(s: GroupScript) -> None:
    """A classic group is joined by a consumer, and the consumer leaves again."""
    s.topic("four", 4)
    g = "migrates"
    metadata = {"range": subscription("four")}
    told = s.classic_join(g, "", metadata, version=9)
    first = s.classic_join(g, told.member_id, metadata)
    member = told.member_id
    s.classic_sync(g, member, first.generation_id, [(member, assignment(four=[0, 1, 2, 3]))])
    s.classic_beat(g, member, first.generation_id)
    s.describe(g)
    s.join(g, "n", "four")
    s.describe_classic(g)
    s.describe(g)
    s.list()
    s.classic_beat(g, member, 1)
    s.beat(g, "n", 2)
    s.classic_sync(g, member, 1)
    s.classic_beat(g, "n", 2)
    s.classic_sync(g, "n", 2)
    s.classic_beat(g, member, 7)
    s.classic_join(g, member, {"range": subscription("four", owned={"four": [0, 1, 2, 3]})})
    s.classic_sync(g, member, 1)
    s.classic_beat(g, member, 1)
    again = s.classic_join(g, member, {"range": subscription("four", owned={"four": [2, 3]})})
    s.classic_sync(g, member, again.generation_id)
    s.classic_sync(g, member, again.generation_id, protocol_name="roundrobin")
    s.classic_sync(g, member, again.generation_id, protocol_type="connect")
    s.classic_beat(g, member, again.generation_id)
    s.describe(g)
    s.beat(g, "n", 2)
    s.commit(g, member, again.generation_id, "four", 2, 3)
    s.commit(g, member, 1, "four", 0, 3)
    s.commit(g, member, 9, "four", 2, 3)
    s.fetch(g, member, 1, "four", 2)
    s.classic_join(g, "", {"roundrobin": subscription("four")})
    s.classic_join(g, "", metadata, protocol_type="connect")
    s.classic_join(g, "", metadata)
    s.classic_leave(g, ("who", None), ("", "who"))
    s.beat(g, "n", -1)
    s.describe(g)
    s.describe_classic(g)
    s.classic_beat(g, member, again.generation_id)
    s.classic_beat(g, member, again.generation_id + 1)
    s.classic_beat(g, member, again.generation_id + 2)
    last = s.classic_join(g, member, metadata)
    s.classic_sync(g, member, last.generation_id, [(member, assignment(four=[0]))])
    s.describe_classic(g)
    s.classic_leave(g, (member, None))
    s.describe_classic(g)
    s.join(g, "n2", "four")
    s.describe(g)
    s.beat(g, "n2", -1)
    empty = s.classic_join(g, "", metadata, version=3)
    s.describe_classic(g)
    s.classic_leave(g, (empty.member_id, None))


def other_classic_groups(s: GroupScript) -> None:
    """Classic groups that no consumer member can join."""
    s.topic("four", 4)
    told = s.classic_join("connects", "", {"default": b"x"}, protocol_type="connect", version=3)
    s.classic_sync(
        "connects", told.member_id, 1, [(told.member_id, b"z")], protocol_type="connect", protocol_name="default"
    )
    s.join("connects", "n", "four")
    told = s.classic_join("broken", "", {"range": b"\x00"}, version=3)
    s.classic_sync("broken", told.member_id, 1, [(told.member_id, b"\x00")])
    s.join("broken", "n", "four")
    told = s.classic_join("own", "", {"range": subscription("four")}, version=3)
    with_data = assignment(four=[0])[:-4] + struct.pack(">i", 1) + b"x"
    s.classic_sync("own", told.member_id, 1, [(told.member_id, with_data)])
    s.join("own", "n", "four")
    s.describe_classic("own")


def static_migration(s: GroupScript) -> None:
    s.topic("four", 4)
    g = "static-migrates"
    metadata = {"range": subscription("four")}
    told = s.classic_join(g, "", metadata, instance="i1", version=5)
    s.classic_sync(g, told.member_id, 1, [(told.member_id, assignment(four=[0, 1, 2, 3]))], instance="i1")
    s.join(g, "n1", "four", instance_id="i1")
    s.describe(g)
    s.describe_classic(g)
    s.classic_beat(g, told.member_id, 1, instance="i1")
    s.join(g, "n2", "four", instance_id="i2")
    s.beat(g, "n1", 1, instance_id="i1")
    s.beat(g, "n1", 1, instance_id="i1", owned={"four": [0, 1]})
    s.beat(g, "n2", 2, instance_id="i2")
    s.beat(g, "n2", -2, instance_id="i2")
    back = s.classic_join(g, "", metadata, instance="i2", version=5)
    s.describe(g)
    s.classic_sync(g, back.member_id, back.generation_id, instance="i2")
    last = s.classic_join(g, "", metadata, instance="i1", version=5)
    s.describe(g)
    s.describe_classic(g)
    s.classic_beat(g, last.member_id, last.generation_id, instance="i1")


def resolved_patterns(s: GroupScript) -> None:
    s.topic("rx-one", 1)
    s.topic("rx-two", 2)
    s.topic("other", 1)
    g = "resolved"
    said = {"rebalance_timeout_ms": 5_000, "server_assignor": "range", "owned": {}}
    s.beat(g, "a", 0, subscribed_topic_regex="rx-(one|two)", **said)
    s.beat_until_assigned(g, "a", 1)
    s.describe(g)
    s.beat(g, "b", 0, subscribed_topic_regex="rx-(one|two)", **said)
    s.beat(g, "a", 2)
    s.beat(g, "a", 2, owned={"rx-two": [0]})
    s.beat(g, "b", 3)
    s.describe(g)
    s.beat(g, "a", 3, subscribed_topic_regex="")
    s.beat(g, "a", 3, owned={})
    s.beat(g, "b", 3)
    s.describe(g)
    s.delete_offset(g, "rx-one", 0)
    s.delete_offset(g, "other", 0)
    s.beat(g, "b", -1)
    s.delete_offset(g, "rx-one", 0)
    s.describe(g)
    s.beat(g, "a", 5, subscribed_topic_names=["other"], subscribed_topic_regex="rx-[^n]*")
    s.beat_until_assigned(g, "a", 6, wanted={"rx-two", "other"})
    s.describe(g)


ALL = {
    "bad": bad_requests,
    "alone": alone,
    "made": server_made_ids,
    "hand-over": hand_over,
    "topics": topics_come_and_go,
    "static": static_members,
    "offsets": offsets,
    "patterns": patterns,
    "migrates": both_ways_of_members,
    "own": other_classic_groups,
    "static-migrates": static_migration,
    "resolved": resolved_patterns,
    "classic": classic_script.two_members,
    "classic-static": classic_script.static_members,
}
"""The scripts, by the group that each is mostly about."""
