"""What an embedded broker shows of itself: values that stay as they are while the broker goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class TopicPartition(NamedTuple):
    """A partition by name; equal to the plain tuple."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


@dataclass(frozen=True)
class PartitionView:
    """A partition: the offsets of its first record, of the next one, and of the first that may still be aborted."""

    index: int
    start_offset: int
    end_offset: int
    stable_offset: int
    leader_epoch: int
    size_bytes: int
    offline_reason: str | None = None


@dataclass(frozen=True)
class TopicView:
    """A topic, its partitions in order, and the configs that were set on it."""

    name: str
    topic_id: str
    partitions: tuple[PartitionView, ...]
    config: Mapping[str, str]


@dataclass(frozen=True)
class RecordView:
    """A record as it is stored. `transaction` is open, committed or aborted; None for one outside of transactions."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    transaction: str | None = None
    producer_id: int | None = None

    @property
    def is_readable(self) -> bool:
        """Whether a consumer with isolation.level=read_committed is given it."""
        return self.transaction in (None, "committed")

    def __str__(self) -> str:
        text = f"{self.topic}-{self.partition}@{self.offset} key={self.key!r} value={self.value!r}"
        if self.headers:
            text += f" headers={list(self.headers)!r}"
        return text if self.transaction is None else f"{text} ({self.transaction})"


@dataclass(frozen=True)
class MemberView:
    """A member of a group and the partitions that are its own now."""

    member_id: str
    client_id: str
    host: str
    instance_id: str | None
    assignment: frozenset[TopicPartition]


@dataclass(frozen=True)
class OffsetView:
    """An offset that a group has committed; `lag` is None where the partition is gone."""

    offset: int
    lag: int | None
    metadata: str
    commit_timestamp_ms: int


@dataclass(frozen=True)
class GroupView:
    """A group. `protocol` is classic or consumer; `generation` the epoch of a consumer group; `state` Kafka's word."""

    group_id: str
    protocol: str
    state: str
    generation: int
    assignor: str | None
    members: tuple[MemberView, ...]
    offsets: Mapping[TopicPartition, OffsetView] = field(default_factory=dict)

    @property
    def lag(self) -> int:
        """Of all partitions with an offset together."""
        return sum(offset.lag or 0 for offset in self.offsets.values())

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """All partitions that some member has."""
        return frozenset().union(*(member.assignment for member in self.members))


@dataclass(frozen=True)
class TransactionView:
    """A transactional id with the state of its last transaction, in Kafka's word."""

    transactional_id: str
    state: str
    producer_id: int
    producer_epoch: int
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True)
class ConnectionView:
    """A client's connection; `waiting_for` names the API whose answer it is parked for."""

    client_id: str | None
    host: str
    port: int
    software: str
    waiting_for: str | None
