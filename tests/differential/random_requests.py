"""Requests by chance: mostly what a member would send, now and then what none should.

Only the requests are made by chance, from what the broker answered before. So two brokers that agree are sent the
same, to the first answer in which they differ.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .scenarios import subscription

if TYPE_CHECKING:
    from .group_script import GroupScript

TOPICS = {"r1": 4, "r2": 3, "r3": 1}
SAID = {"rebalance_timeout_ms": 60_000, "server_assignor": "range"}


@dataclass
class Member:
    """What a member knows; `owned` may lag behind `assigned` for a while."""

    name: str
    instance: str | None = None
    epoch: int = 0
    assigned: dict[str, list[int]] = field(default_factory=dict)
    owned: dict[str, list[int]] = field(default_factory=dict)


class RandomRequests:
    """A group whose members do one thing after the other."""

    def __init__(self, script: GroupScript, group: str, seed: int) -> None:
        self.script = script
        self.group = group
        self.chance = random.Random(seed)
        self.members = [Member(name) for name in "abcd"] + [Member(name, f"i-{name}") for name in "xy"]
        self.classic: dict[str, tuple[str, int]] = {}

    def run(self, steps: int) -> None:
        for topic, partitions in TOPICS.items():
            self.script.topic(topic, partitions)
        acts = [self.beat] * 8 + [self.revoke] * 4 + [self.join] * 3
        acts += [self.leave, self.subscribe, self.lie, self.commit, self.commit, self.fetch, self.restart_static]
        acts += [self.classic_join, self.classic_join, self.classic_go_on, self.classic_go_on, self.classic_leave]
        for _ in range(steps):
            self.chance.choice(acts)(self.chance.choice(self.members))
            self.script.describe(self.group)

    def _topics(self) -> list[str]:
        # At least one: to a newcomer who reads nothing, Kafka at times assigns what others read, and nobody reads that.
        return sorted(self.chance.sample(sorted(TOPICS), self.chance.randint(1, len(TOPICS))))

    def _ask(self, member: Member, epoch: int, **said) -> None:
        answer = self.script.beat(self.group, member.name, epoch, instance_id=member.instance, **said)
        assigned = self.script.seen[-1][-1]
        if answer.error_code == 0:
            member.epoch = answer.member_epoch
            member.assigned = member.assigned if assigned is None else assigned
        elif answer.error_code in (25, 69, 110):
            member.epoch, member.assigned, member.owned = 0, {}, {}

    def join(self, member: Member) -> None:
        if member.epoch == 0:
            self._ask(member, 0, subscribed_topic_names=self._topics(), owned={}, **SAID)

    def beat(self, member: Member) -> None:
        if member.epoch > 0:
            self._ask(member, member.epoch, owned=self.chance.choice([None, member.owned]))

    def revoke(self, member: Member) -> None:
        if member.epoch > 0:
            member.owned = member.assigned
            self._ask(member, member.epoch, owned=member.owned)

    def subscribe(self, member: Member) -> None:
        if member.epoch > 0:
            self._ask(member, member.epoch, subscribed_topic_names=self._topics(), owned=member.owned, **SAID)

    def leave(self, member: Member) -> None:
        self._ask(member, -1)
        member.epoch, member.assigned, member.owned = 0, {}, {}

    def restart_static(self, member: Member) -> None:
        if member.instance is not None and member.epoch > 0:
            self._ask(member, -2)
            member.name += "'"
            member.epoch, member.assigned, member.owned = 0, {}, {}

    def lie(self, member: Member) -> None:
        epoch = self.chance.choice([member.epoch - 1, member.epoch + 1, 1, 0, -1])
        owned = self.chance.choice([None, {}, member.assigned, {"r1": [self.chance.randrange(6)]}])
        name = self.chance.choice([member.name, "nobody"])
        self.script.beat(self.group, name, max(epoch, -1), instance_id=member.instance, owned=owned)

    def commit(self, member: Member) -> None:
        epoch = max(member.epoch - self.chance.choice([0, 0, 0, 1, 2]), -1)
        topic = self.chance.choice(sorted(TOPICS))
        partition = self.chance.randrange(TOPICS[topic])
        version = self.chance.choice([9, 10])
        self.script.commit(self.group, member.name, epoch, topic, partition, self.chance.randrange(100), version)

    def fetch(self, member: Member) -> None:
        epoch = member.epoch - self.chance.choice([0, 0, 1])
        self.script.fetch(self.group, self.chance.choice([member.name, None]), epoch, "r1", 0)

    # ---- members of the classic protocol, while there are others: in a classic group they would wait for each other

    def _is_consumer_group(self) -> bool:
        told = next((seen for seen in reversed(self.script.seen) if seen[0] == "described"), None)
        return told is not None and told[1] == 0 and any(member[-1] == 1 for member in told[8])

    def classic_join(self, _: Member) -> None:
        """A static member, since the range assignor orders the others by ids that each broker makes up."""
        if not self._is_consumer_group():
            return
        instance = self.chance.choice(["k1", "k2", "i-x"])
        known = self.chance.choice([self.classic.get(instance, ("", 0))[0], ""])
        owned = {topic: [0] for topic in self._topics()} if self.chance.random() < 0.3 else {}
        metadata = {"range": subscription(*self._topics(), owned=owned)}
        answer = self.script.classic_join(self.group, known, metadata, version=5, instance=instance, session_ms=60_000)
        if answer.error_code == 0:
            self.classic[instance] = answer.member_id, answer.generation_id

    def classic_go_on(self, _: Member) -> None:
        if not self.classic:
            return
        instance = self.chance.choice(list(self.classic))
        member, generation = self.classic[instance]
        if self.chance.random() < 0.5:
            self.script.classic_beat(self.group, member, generation, instance)
        elif self._is_consumer_group():
            self.script.classic_sync(self.group, member, generation, instance=instance)

    def classic_leave(self, _: Member) -> None:
        if self.classic and self.chance.random() < 0.3:
            instance = self.chance.choice(list(self.classic))
            member, _ = self.classic.pop(instance)
            self.script.classic_leave(self.group, (self.chance.choice([member, ""]), instance))
