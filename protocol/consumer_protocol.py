"""What consumers put into the opaque parts of JoinGroup and SyncGroup; behind a 16-bit version."""

from __future__ import annotations

from .schema import Message, Struct, array, binary, int32, string


class TopicPartition(Struct):
    topic: str = string("1+")
    partitions: list[int] = array("int32", "1+")


class ConsumerProtocolSubscription(Message, versions="0-3"):
    topics: list[str] = array("string")
    user_data: bytes | None = binary(default=None, nullable="0+")
    owned_partitions: list[TopicPartition] = array(TopicPartition, "1+", ignorable=True)
    generation_id: int = int32("2+", default=-1, ignorable=True)
    rack_id: str | None = string("3+", default=None, nullable="3+", ignorable=True)


class ResponseTopicPartition(Struct):
    topic: str = string()
    partitions: list[int] = array("int32")


class ConsumerProtocolAssignment(Message, versions="0-3"):
    assigned_partitions: list[ResponseTopicPartition] = array(ResponseTopicPartition)
    user_data: bytes | None = binary(default=None, nullable="0+")
