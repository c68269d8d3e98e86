"""A consumer group under clients who behave, with answers that get lost, members that die, and a broker that restarts.

What must hold at every moment: a partition never has two owners in one epoch, and an acknowledged offset never goes
back, though who is out of the group, or late, commits what it had read. And when the noise ends, the group comes to
rest, with every partition read by exactly one member and nobody burdened more than others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ottla.broker.coordinators.consumer_group import ConsumerGroup
from ottla.broker.coordinators.offset_commits import OffsetToCommit
from ottla.protocol.errors import ErrorCode

from .consumer_bench import AT_ONCE, GROUP, REBALANCE_MS, ConsumerBench, topic_id

TOPICS = ("t", "u")
Partition = tuple[str, int]
MEMBERS = st.sampled_from(["a", "b", "c", "d"])
FENCED = (ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.GROUP_ID_NOT_FOUND)
ROUNDS_MAX = 12


@dataclass
class Client:
    """A consumer as KIP-848 wants it: it gives up what is not its own any more before it takes what is new."""

    name: str
    topics: tuple[str, ...]
    instance: str | None = None
    lives: int = 0
    epoch: int = 0
    owned: set[Partition] = field(default_factory=set)
    assigned: set[Partition] = field(default_factory=set)
    positions: dict[Partition, int] = field(default_factory=dict)
    """How far it has read of what it owns, or owned before it was forgotten."""

    @property
    def member_id(self) -> str:
        return f"{self.name}{self.lives}"

    def take(self, answer, told: dict[str, list[int]] | None) -> None:
        self.epoch = answer.member_epoch
        if told is not None:
            self.assigned = {(topic, partition) for topic, numbers in told.items() for partition in numbers}
        if self.owned <= self.assigned:
            self.owned = set(self.assigned)
        self.positions = {place: offset for place, offset in self.positions.items() if place in self.owned}

    def forget(self) -> None:
        self.positions = {}
        self.epoch = 0
        self.owned, self.assigned = set(), set()

    def tells(self) -> dict[str, list[int]]:
        return {
            topic: sorted(partition for name, partition in self.owned if name == topic)
            for topic in {name for name, _ in self.owned}
        }


class ConsumerGroupMachine(RuleBasedStateMachine):
    @initialize(assignor=st.sampled_from(["uniform", "range"]))
    def begin(self, assignor):
        self.bench = ConsumerBench(AT_ONCE)
        self.assignor = assignor
        self.partitions = {"t": 4, "u": 3}
        for name, count in self.partitions.items():
            self.bench.topic(name, count)
        self.clients: dict[str, Client] = {}
        self.acknowledged: dict[Partition, int] = {}
        self.ghosts: list[tuple[str, int, dict[Partition, int]]] = []
        """Who was a member, in which epoch, and how far it had read."""

    # ---- what clients do

    @rule(name=MEMBERS, topics=st.sampled_from([("t",), ("u",), ("t", "u")]), static=st.booleans())
    def appear(self, name, topics, static):
        if name not in self.clients:
            self.clients[name] = client = Client(name, topics, f"i-{name}" if static else None)
            self.heartbeat(client)

    @rule(name=MEMBERS, is_lost=st.booleans())
    def beat(self, name, is_lost):
        if name in self.clients:
            self.heartbeat(self.clients[name], is_lost=is_lost)

    @rule(name=MEMBERS)
    def revoke(self, name):
        if name in self.clients:
            client = self.clients[name]
            client.owned &= client.assigned

    @rule(name=MEMBERS, topics=st.sampled_from([("t",), ("u",), ("t", "u"), ()]))
    def subscribe(self, name, topics):
        if name in self.clients:
            self.clients[name].topics = topics
            self.heartbeat(self.clients[name])

    @rule(name=MEMBERS)
    def leave(self, name):
        client = self.clients.pop(name, None)
        if client is not None and client.epoch:
            self.haunt(client)
            self.bench.beat(client.member_id, -1, instance_id=client.instance)

    @rule(name=MEMBERS)
    def restart_static(self, name):
        client = self.clients.get(name)
        if client is not None and client.instance is not None and client.epoch:
            self.bench.beat(client.member_id, -2, instance_id=client.instance)
            self.haunt(client)
            client.lives += 1
            client.forget()

    @rule(name=MEMBERS)
    def die(self, name):
        self.clients.pop(name, None)

    @rule(count=st.integers(1, 5))
    def read_and_commit(self, count):
        for client in self.clients.values():
            client.positions = {
                place: client.positions.get(place, self.acknowledged.get(place, 0)) + count for place in client.owned
            }
            self.commit(client.member_id, client.epoch, client.positions)

    @precondition(lambda self: getattr(self, "ghosts", None))
    @rule(data=st.data())
    def commit_of_a_ghost(self, data):
        """What somebody sent before it left, died or was put out arrives now."""
        self.commit(*data.draw(st.sampled_from(self.ghosts)))

    @rule(name=MEMBERS)
    def commit_of_the_epoch_before(self, name):
        """A member is late, with partitions that it was given only since."""
        client = self.clients.get(name)
        member = self.members().get(client.member_id) if client is not None else None
        if member is None or member.epoch < 2:
            return
        since = [
            place for place in client.owned if member.assigned.get(topic_id(place[0]), {}).get(place[1]) == member.epoch
        ]
        self.commit(client.member_id, member.epoch - 1, dict.fromkeys(since, 0))

    def haunt(self, client: Client) -> None:
        """The client is not who it was any more, but what it has sent may still arrive."""
        if client.epoch > 0 and client.positions:
            self.ghosts.append((client.member_id, client.epoch, client.positions))

    def commit(self, member_id: str, epoch: int, offsets: dict[Partition, int]) -> None:
        """Each partition by itself; what is taken is acknowledged, and may not be behind what was before."""
        for (topic, number), offset in offsets.items():
            commits = [OffsetToCommit(topic, topic_id(topic), number, offset, -1, None)]
            request = self.bench.commit_request(member_id, epoch)
            code = self.bench.decided(self.bench.shard.commit(request, commits, 9, self.bench.now))
            if code is ErrorCode.NONE:
                assert offset >= self.acknowledged.get((topic, number), 0), f"{member_id} takes {topic}-{number} back"
                self.acknowledged[topic, number] = offset

    # ---- what happens around them

    @rule(elapsed_ms=st.sampled_from([1_000, 20_000, 50_000]))
    def wait(self, elapsed_ms):
        self.bench.advance(elapsed_ms)

    @rule()
    def restart_broker(self):
        self.bench.restart()

    @rule(topic=st.sampled_from(TOPICS))
    def grow(self, topic):
        if self.partitions[topic] < 8:
            self.partitions[topic] += 1
            self.bench.grow(topic, self.partitions[topic])

    # ---- the client's side of a heartbeat

    def heartbeat(self, client: Client, *, is_lost: bool = False) -> None:
        said = {"instance_id": client.instance, "server_assignor": self.assignor}
        said |= {"rebalance_timeout_ms": REBALANCE_MS, "subscribed_topic_names": list(client.topics)}
        answer = self.bench.beat(client.member_id, client.epoch, client.tells() if client.epoch else {}, **said)
        code = ErrorCode(answer.error_code)
        if code in FENCED:
            self.haunt(client)
            client.forget()
        elif code is ErrorCode.UNRELEASED_INSTANCE_ID:
            return
        else:
            assert code is ErrorCode.NONE, answer
            if not is_lost:
                client.take(answer, self.bench.told(answer))

    # ---- what must hold

    def members(self) -> dict[str, object]:
        group = self.bench.shard.groups.get(GROUP) if hasattr(self, "bench") else None
        return group.members if isinstance(group, ConsumerGroup) else {}

    @invariant()
    def an_acknowledged_offset_never_goes_back(self):
        if hasattr(self, "bench"):
            kept = self.bench.shard.offsets.snapshot().get(GROUP, {})
            assert {place: committed.offset for place, committed in kept.items()} == self.acknowledged

    @invariant()
    def a_partition_never_has_two_owners_in_one_epoch(self):
        if not hasattr(self, "bench"):
            return
        readers: dict[Partition, str] = {}
        for client in self.clients.values():
            if client.member_id not in self.members():
                continue  # it is fenced, and learns it with its next heartbeat
            for partition in client.owned:
                assert partition not in readers, f"{partition} is read by {client.name} and {readers[partition]}"
                readers[partition] = client.name

    def teardown(self):
        if not hasattr(self, "bench"):
            return
        for _ in range(3):  # the dead are out, the living stay
            for client in self.clients.values():
                self.settle(client)
            self.bench.advance(20_000)
        for _ in range(ROUNDS_MAX):
            for client in self.clients.values():
                self.settle(client)
        if self.clients:
            self.check_rest()

    def settle(self, client: Client) -> None:
        client.owned &= client.assigned
        self.heartbeat(client)
        client.owned &= client.assigned

    def check_rest(self) -> None:
        assert self.bench.state == "Stable"
        owned = [partition for client in self.clients.values() for partition in client.owned]
        read = {topic for client in self.clients.values() for topic in client.topics}
        assert sorted(owned) == [(topic, number) for topic in sorted(read) for number in range(self.partitions[topic])]
        if self.assignor == "uniform" and len({client.topics for client in self.clients.values()}) == 1:
            loads = [len(client.owned) for client in self.clients.values()]
            assert max(loads) - min(loads) <= 1


TestConsumerGroup = ConsumerGroupMachine.TestCase
TestConsumerGroup.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
