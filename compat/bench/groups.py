"""What consumer groups cost: printed beside what they may, judged by people.

Heartbeats and commits; a group of a thousand members on a thousand partitions from its first join until
all have their share; and the memory of ten thousand groups with a member each. Clients are bytes on a few connections.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from broker_process import BrokerProcess, Connection, print_table, progress
from echo_server import Echo
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from request_costs import RequestCosts, costs_by_place

if TYPE_CHECKING:
    from collections.abc import Callable

TOPIC, SMALL_TOPIC = "t", "small"
REQUEST_US_MAX, STABLE_S_MAX, SLOWEST_MS_MAX, GROUPS_MB_MAX = 60, 3, 100, 100
_CONNECTIONS = 20
_HEARTBEAT_VERSION, _COMMIT_VERSION = 1, 9


class Member:
    """What a member knows, and the connection that it shares."""

    def __init__(self, connection: Connection, group: str, name: str, topic: str = TOPIC) -> None:
        self._connection = connection
        self._group = group
        self._name = name
        self._topic = topic
        self.epoch = 0
        self.owned: list[TopicPartitions] = []
        self.slowest_s = 0.0

    def heartbeat(self) -> None:
        """Say what is owned, and take what is given."""
        said = {} if self.epoch else {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": [self._topic]}
        request = ConsumerGroupHeartbeatRequest(
            group_id=self._group,
            member_id=self._name,
            member_epoch=self.epoch,
            topic_partitions=self.owned,
            **said,
        )
        begun = time.perf_counter()
        answer = self._connection.ask(request, ConsumerGroupHeartbeatResponse, _HEARTBEAT_VERSION)
        self.slowest_s = max(self.slowest_s, time.perf_counter() - begun)
        _check(answer.error_code)
        self.epoch = answer.member_epoch
        if answer.assignment is not None:
            given = answer.assignment.topic_partitions
            self.owned = [TopicPartitions(topic_id=each.topic_id, partitions=each.partitions) for each in given]

    def ask_quietly(self) -> Callable[[], None]:
        """Send a heartbeat that says nothing new; what is returned reads the answer."""
        request = ConsumerGroupHeartbeatRequest(group_id=self._group, member_id=self._name, member_epoch=self.epoch)
        self._connection.send(request, _HEARTBEAT_VERSION)

        def read() -> None:
            answer = self._connection.answer_to(request, ConsumerGroupHeartbeatResponse, _HEARTBEAT_VERSION)
            _check(answer.error_code)

        return read

    def ask_to_commit(self) -> Callable[[], None]:
        """Send a commit of one partition; what is returned reads the answer."""
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=1)
        request = OffsetCommitRequest(
            group_id=self._group,
            member_id=self._name,
            generation_id_or_member_epoch=self.epoch,
            topics=[OffsetCommitRequestTopic(name=self._topic, partitions=[partition])],
        )
        self._connection.send(request, _COMMIT_VERSION)

        def read() -> None:
            answer = self._connection.answer_to(request, OffsetCommitResponse, _COMMIT_VERSION)
            _check(answer.topics[0].partitions[0].error_code)

        return read

    def hang_up(self) -> None:
        """Close the connection."""
        self._connection.close()

    @property
    def partition_count(self) -> int:
        """How many partitions it has."""
        return sum(len(topic.partitions) for topic in self.owned)


def _check(error_code: int) -> None:
    if error_code:
        raise SystemExit(f"the broker refused a request: {ErrorCode(error_code).name}")


class Share(NamedTuple):
    """How a large group came to rest."""

    wall_s: float
    cpu_s: float
    slowest_ms: float


def prepare(broker: BrokerProcess, partitions: int) -> Connection:
    """The topics, and the topic of groups."""
    connection = Connection(broker.port)
    sizes = {TOPIC: partitions, SMALL_TOPIC: 1}
    topics = [CreatableTopic(name=name, num_partitions=size, replication_factor=1) for name, size in sizes.items()]
    connection.ask(CreateTopicsRequest(topics=topics, timeout_ms=60_000), CreateTopicsResponse, 7)
    while True:
        request = FindCoordinatorRequest(key_type=0, coordinator_keys=["g"])
        if connection.ask(request, FindCoordinatorResponse, 4).coordinators[0].error_code == 0:
            return connection


def request_costs(broker: BrokerProcess, count: int) -> dict[str, RequestCosts]:
    """What a heartbeat that says nothing new and a commit of one partition cost, and an echo beside them."""
    members = []
    for index in range(_CONNECTIONS):
        member = Member(Connection(broker.port), f"small-{index}", "only", SMALL_TOPIC)
        member.heartbeat()
        members.append(member)
    costs = {}
    for name, asked in (("heartbeat", Member.ask_quietly), ("commit", Member.ask_to_commit)):
        many = [partial(asked, member) for member in members]
        costs[name] = costs_by_place(broker.process.pid, many, count)
    for member in members:
        member.hang_up()
    with Echo() as echo:
        costs["echo"] = costs_by_place(echo.pid, [echo.ask] * _CONNECTIONS, count)
    return costs


def share_out(broker: BrokerProcess, members: int, partitions: int) -> Share:
    """Let the members come one after the other, and beat until all of the partitions are theirs in even parts."""
    connections = [Connection(broker.port) for _ in range(_CONNECTIONS)]
    group = [Member(connections[index % _CONNECTIONS], "large", f"m{index}") for index in range(members)]
    begun, cpu_before_s = time.perf_counter(), broker.cpu_s
    even = partitions // members
    while True:
        for member in group:
            member.heartbeat()
        counts = [member.partition_count for member in group]
        if sum(counts) == partitions and min(counts) >= even and len({member.epoch for member in group}) == 1:
            break
    wall_s = time.perf_counter() - begun
    slowest_ms = max(member.slowest_s for member in group) * 1000
    for connection in connections:
        connection.close()
    return Share(wall_s, broker.cpu_s - cpu_before_s, slowest_ms)


def groups_mb(broker: BrokerProcess, connection: Connection, count: int) -> float:
    """Memory that many groups take while their members are there."""
    before_mb = broker.resident_mb
    for index in range(count):
        Member(connection, f"group-{index}", f"member-{index}", SMALL_TOPIC).heartbeat()
    return broker.resident_mb - before_mb


def _rows_of(what: str, costs: RequestCosts, us_max: int | None) -> list[tuple[str, float, int | None]]:
    return [
        (f"{what}, {_CONNECTIONS} at a time, CPU us", costs.at_a_time_us, us_max),
        ("- one at a time, from its own CPU", costs.beside_us, us_max),
        ("- one at a time, from another CPU: its own sleeps before each", costs.woken_us, us_max),
    ]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000, help="heartbeats and commits (10,000)")
    parser.add_argument("--members", type=int, default=1000, help="members and partitions of the large group (1000)")
    parser.add_argument("--groups", type=int, default=10_000, help="groups of one member (10,000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ottla-bench-") as home:
        data_dir = Path(home) / "data"
        data_dir.mkdir()
        broker = BrokerProcess(data_dir, {})
        try:
            connection = prepare(broker, options.members)
            progress(f"heartbeats and commits of one member, and of {_CONNECTIONS} at a time")
            costs = request_costs(broker, options.requests)
            progress(f"{options.members} members of one group")
            share = share_out(broker, options.members, options.members)
            progress(f"{options.groups} groups")
            memory_mb = groups_mb(broker, connection, options.groups)
        finally:
            broker.stop()
    rows = [
        *_rows_of("a heartbeat without news", costs["heartbeat"], REQUEST_US_MAX),
        *_rows_of("a commit of one partition", costs["commit"], REQUEST_US_MAX),
        *_rows_of("for comparison, an echo server in ten lines", costs["echo"], None),
        (f"{options.members} members have their share, s", share.wall_s, STABLE_S_MAX),
        ("- broker CPU, s", share.cpu_s, None),
        ("- slowest heartbeat meanwhile, ms", share.slowest_ms, SLOWEST_MS_MAX),
        (f"{options.groups} groups of one member, MB", memory_mb, GROUPS_MB_MAX),
    ]
    print_table(("", "measured", "at most"), rows)


if __name__ == "__main__":
    main()
