"""Members of groups that commit offsets, and what the broker must still know of them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse

from .gate import Actor, Gate

if TYPE_CHECKING:
    from ..harness.raw_client import RawClient

LONGEST_PAUSE_S = 0.05
COMMIT_VERSION = 8
FETCH_VERSION = 7
_NOT_THERE_YET = (
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
)


class OffsetCommitter(Actor):
    """A consumer that assigns its partitions itself and commits ever larger offsets."""

    def __init__(self, gate: Gate, group: str, topic: str, partition_count: int, seed: int) -> None:
        super().__init__(group, gate)
        self._topic = topic
        self._random = random.Random(seed)
        self._is_known = False
        self.sent = [-1] * partition_count
        self.acknowledged = [-1] * partition_count

    def step(self) -> None:
        time.sleep(self._random.uniform(0, LONGEST_PAUSE_S))
        if not self._is_known:
            self._find_coordinator()
            return
        chosen = self._random.sample(range(len(self.sent)), self._random.randint(1, len(self.sent)))
        for partition in chosen:
            self.sent[partition] += 1
        partitions = [
            OffsetCommitRequestPartition(
                partition_index=partition,
                committed_offset=self.sent[partition],
                committed_metadata=f"m{self.sent[partition]}",
            )
            for partition in chosen
        ]
        topic = OffsetCommitRequestTopic(name=self._topic, partitions=partitions)
        request = OffsetCommitRequest(group_id=self.name, topics=[topic])
        response = self.link.ask(request, OffsetCommitResponse, COMMIT_VERSION)
        for answer in response.topics[0].partitions:
            if answer.error_code == 0:
                self.acknowledged[answer.partition_index] = self.sent[answer.partition_index]
            elif answer.error_code not in _NOT_THERE_YET:
                raise AssertionError(f"{self.name}: the commit answers {ErrorCode(answer.error_code).name}")

    def _find_coordinator(self) -> None:
        request = FindCoordinatorRequest(key=self.name)
        response = self.link.ask(request, FindCoordinatorResponse, 3)
        self._is_known = response.error_code == 0

    def check_with(self, client: RawClient) -> None:
        """What was acknowledged holds, or something that was sent after it."""
        self.check()
        acknowledged = list(self.acknowledged)
        topic = OffsetFetchRequestTopic(name=self._topic, partition_indexes=list(range(len(self.sent))))
        response = client.ask(
            OffsetFetchRequest(group_id=self.name, topics=[topic]), OffsetFetchResponse, FETCH_VERSION
        )
        if response.error_code in _NOT_THERE_YET and max(acknowledged) < 0:
            return
        assert response.error_code == 0, ErrorCode(response.error_code).name
        for answer in response.topics[0].partitions:
            at_least, at_most = acknowledged[answer.partition_index], self.sent[answer.partition_index]
            where = f"{self.name} of {self._topic}-{answer.partition_index}"
            committed = answer.committed_offset
            assert at_least <= committed <= at_most, f"{where}: {committed}, not {at_least} to {at_most}"
            assert committed < 0 or answer.metadata == f"m{committed}", f"{where}: {answer.metadata!r} for {committed}"
