"""A group under churn as its broker describes it, asked again and again on a connection of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.compiler import decode
from ottla.protocol.consumer_protocol import ConsumerProtocolAssignment
from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse

from ..harness.raw_client import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_S = 0.03
READY_TIMEOUT_S = 30


class Owner(NamedTuple):
    """A member of the group."""

    member_id: str
    epoch: int
    """-1 in the classic protocol."""
    partitions: frozenset[int]


class Snapshot(NamedTuple):
    at_s: float
    state: str
    members: dict[str, Owner]
    """By client id. In the classic protocol a group that is not stable shows no partitions."""
    committed: dict[int, int]


def ask_classic(client: RawClient, group: str) -> tuple[str, list[tuple[str, Owner]]]:
    [described] = client.ask(DescribeGroupsRequest(groups=[group]), DescribeGroupsResponse, 5).groups
    assert described.error_code == 0, described
    members = [
        (each.client_id, Owner(each.member_id, -1, assigned_partitions(each.member_assignment)))
        for each in described.members
    ]
    return described.group_state.upper(), members


def assigned_partitions(assignment: bytes) -> frozenset[int]:
    """What the leader gave to a member, behind the 16-bit version of its form."""
    if not assignment:
        return frozenset()
    version = min(int.from_bytes(assignment[:2], "big"), 3)
    topics = decode(ConsumerProtocolAssignment, assignment[2:], version).assigned_partitions
    return frozenset(partition for topic in topics for partition in topic.partitions)


def ask_consumer(client: RawClient, group: str) -> tuple[str, list[tuple[str, Owner]]]:
    request = ConsumerGroupDescribeRequest(group_ids=[group])
    [described] = client.ask(request, ConsumerGroupDescribeResponse, 1).groups
    if described.error_code:  # before its first member
        return "DEAD", []
    members = []
    for each in described.members:
        topics = each.assignment.topic_partitions
        partitions = frozenset(partition for topic in topics for partition in topic.partitions)
        members.append((each.client_id, Owner(each.member_id, each.member_epoch, partitions)))
    return described.group_state.upper(), members


def ask_committed(client: RawClient, group: str) -> dict[int, int]:
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])
    [answer] = client.ask(request, OffsetFetchResponse, 8).groups
    assert answer.error_code == 0, answer
    return {each.partition_index: each.committed_offset for topic in answer.topics for each in topic.partitions}


def connect(broker: Any, group: str) -> RawClient:
    """A connection on which the group's coordinator answers.

    Apache Kafka creates the topic of its groups when the first one is asked for, and turns away who comes too early.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        with contextlib.suppress(ConnectionError, EOFError), contextlib.ExitStack() as closing:
            client = closing.enter_context(RawClient(broker))
            if is_ready(client, group):
                closing.pop_all()
                return client
        assert time.monotonic() < deadline, f"no coordinator in {READY_TIMEOUT_S} s"
        time.sleep(PAUSE_S)


def is_ready(client: RawClient, group: str) -> bool:
    request = FindCoordinatorRequest(key_type=0, coordinator_keys=[group])
    [found] = client.ask(request, FindCoordinatorResponse, 4).coordinators
    offsets = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])
    return not found.error_code and not client.ask(offsets, OffsetFetchResponse, 8).groups[0].error_code


class GroupWatch:
    """Everything that was seen is in `snapshots`, oldest first.

    Raises AssertionError from `close` when a partition had two owners, or a committed offset went back.
    """

    def __init__(self, broker: Any, group: str, protocol: str) -> None:
        self.snapshots: list[Snapshot] = []
        self.joined: set[str] = set()
        """The client ids of everybody who was ever a member."""
        self._group = group
        self._ask: Callable[..., tuple[str, list[tuple[str, Owner]]]]
        self._ask = ask_consumer if protocol == "consumer" else ask_classic
        self._client = connect(broker, group)
        self._problem: BaseException | None = None
        self._stopping = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    @property
    def last(self) -> Snapshot:
        if self._problem is not None:
            raise self._problem
        return self.snapshots[-1]

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._client.socket.close()
        if self._problem is not None:
            raise self._problem

    def _watch(self) -> None:
        try:
            while not self._stopping.wait(PAUSE_S):
                self._look()
        except BaseException as problem:  # noqa: BLE001 (handed to the test's own thread)
            self._problem = problem

    def _look(self) -> None:
        state, members = self._ask(self._client, self._group)
        committed = ask_committed(self._client, self._group)
        check_one_owner_each(members)
        if self.snapshots:
            check_not_gone_back(self.snapshots[-1].committed, committed)
        self.joined |= {client_id for client_id, _ in members}
        self.snapshots.append(Snapshot(time.time(), state, dict(members), committed))


def check_one_owner_each(members: list[tuple[str, Owner]]) -> None:
    owners: dict[int, str] = {}
    for client_id, owner in members:
        for partition in owner.partitions:
            assert partition not in owners, f"partition {partition} is {owners[partition]}'s and {client_id}'s"
            owners[partition] = client_id


def check_not_gone_back(before: dict[int, int], after: dict[int, int]) -> None:
    assert before.keys() <= after.keys(), f"committed offsets are gone: {before}, now {after}"
    for partition, offset in before.items():
        assert after[partition] >= offset, f"partition {partition} went back from {offset} to {after[partition]}"
