"""What is written in a stay: by real clients where the client matters, byte by byte where the bytes matter.

`Contents` remembers what must go on across hand-overs: producers in the middle of their sequences, open transactions,
the records that clients sent. The same calls serve both brokers; what only one of them offers is asked of ApiVersions.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ottla.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.record_batch import read_header
from ottla.protocol.records import Record, RecordHeader

from ..clients.group_members import wait_until
from ..clients.record_clients import PYTHON_CLIENTS, Sent
from . import security
from .asking import GROUP, Producer, patiently
from .group_state import CLASSIC, GroupState
from .transactions import Transactions
from .view import BROKER, TOPIC
from .view import GROUP as GROUP_CONFIG

if TYPE_CHECKING:
    from .asking import Broker
    from .place import Place

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
HEADERS = (
    RecordHeader("trace", b"abc"),
    RecordHeader("trace", b"once more"),
    RecordHeader("null", None),
    RecordHeader("", b"no name"),
    RecordHeader("empty", b""),
    RecordHeader("ünïcode", b"\0\xff"),
)
LONGEST_NAME = "n" * 249
EVERY_CONFIG = {
    "cleanup.policy": "delete,compact",
    "compression.gzip.level": "4",
    "compression.lz4.level": "5",
    "compression.type": "zstd",
    "compression.zstd.level": "-7",
    "delete.retention.ms": "1000",
    "file.delete.delay.ms": "1001",
    "flush.messages": "10",
    "flush.ms": "1002",
    "follower.replication.throttled.replicas": "0:1",
    "index.interval.bytes": "1003",
    "leader.replication.throttled.replicas": "*",
    "local.retention.bytes": "1004",
    "local.retention.ms": "1005",
    "max.compaction.lag.ms": "86400006",
    "max.message.bytes": "1007007",
    "message.timestamp.after.max.ms": "7200008",
    "message.timestamp.before.max.ms": "86400009",
    "message.timestamp.type": "LogAppendTime",
    "min.cleanable.dirty.ratio": "0.10",
    "min.compaction.lag.ms": "86400005",
    "min.insync.replicas": "2",
    "preallocate": "false",
    "remote.log.copy.disable": "false",
    "remote.log.delete.on.disable": "false",
    "remote.storage.enable": "false",
    "retention.bytes": "1048577012",
    "retention.ms": "86400013",
    "segment.bytes": "1048577",
    "segment.index.bytes": "1048578",
    "segment.jitter.ms": "14",
    "segment.ms": "86400015",
    "unclean.leader.election.enable": "true",
}
TOPICS: dict[str, tuple[int, dict[str, str]]] = {
    "headers": (1, {}),
    "append-time": (1, {"message.timestamp.type": "LogAppendTime"}),
    "segments": (1, {"segment.ms": "500", "index.interval.bytes": "100"}),
    "large": (1, {"segment.bytes": "1048576", "compression.type": "producer"}),
    "compacted": (1, {"cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.01"}),
    "recompressed": (1, {"compression.type": "gzip", "compression.gzip.level": "3"}),
    "grown": (1, {}),
    "emptied": (1, {}),
    "trimmed": (1, {"segment.ms": "500"}),
    "empty": (3, {"retention.ms": "-1", "max.message.bytes": "2000"}),
    "sequences": (1, {"segment.ms": "500"}),
    "recreated": (2, {"retention.ms": "86400001"}),
    "deleted-later": (2, {}),
    "live": (1, {}),
    "java": (1, {}),
    "transactional": (1, {}),
    "stream": (1, {"segment.bytes": "1048576"}),
    "times": (1, {"segment.ms": "5000", "index.interval.bytes": "0"}),
    "x.y_z-0": (1, {}),
    LONGEST_NAME: (2, {}),
    "preallocated": (1, {"preallocate": "true", "segment.bytes": "1048576", "segment.ms": "500"}),
    "configured": (1, EVERY_CONFIG),
    **{f"codec-{codec or 'none'}": (1, {}) for codec in CODECS},
}
GROUPS = ("group-a", "group-b", "group-without-metadata")
SEGMENT_MS = 1000
NO_TIMESTAMP = -1


class Sequence(NamedTuple):
    """A producer in the middle of its sequence, and its last batch."""

    producer: Producer
    next_sequence: int
    last: list[Record]
    last_offset: int


class Contents:
    """The writer. `groups` are the groups whose members hold still."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stays = 0
        self._begun_ms = int(time.time() * 1000) - 3_600_000
        self._sequences: dict[str, Sequence] = {}
        self._compacting: Producer | None = None
        self._compacting_sequence = 0
        self.groups: set[str] = set()
        self.topics: set[str] = set()
        self.producer_ids: list[int] = []
        self.sent: dict[str, list[Sent]] = {}
        self.transactions = Transactions(self)
        self.group_state = GroupState(place)

    # What a stay writes

    def write_first(self, broker: Broker) -> None:
        """Everything that is there from the beginning."""
        for name, (count, configs) in TOPICS.items():
            self.create_topic(broker, name, count, configs)
        broker.append("emptied", self._records(5))
        delete_records(broker, "emptied", -1)
        self._set_configs(broker)

    def write(self, broker: Broker) -> None:
        """What each stay adds; the first one too."""
        self._stays += 1
        self._write_by_clients()
        self._write_odd_records(broker)
        self._write_segments(broker)
        self._change_topics(broker)
        self._continue_sequences(broker)
        self._commit_offsets(broker)
        self.group_state.begin_or_go_on(broker, self._stays)
        if security.is_served(broker):
            security.write(broker, self._stays)
        if broker.serves(ApiKey.ADD_PARTITIONS_TO_TXN):
            self.transactions.write(broker)

    def delete_at_the_end(self, broker: Broker) -> None:
        """The last thing before a stop: the folder may still wait for its removal."""
        delete_topic(broker, "deleted-later")
        self.topics.discard("deleted-later")

    # Its parts

    def create_topic(self, broker: Broker, name: str, count: int = 1, configs: dict[str, str] | None = None) -> None:
        create_topic(broker, name, count, configs or {})
        self.topics.add(name)

    def next_time_ms(self) -> int:
        """A time that goes up by itself, so that segments roll where they should."""
        self._begun_ms += SEGMENT_MS
        return self._begun_ms

    def _records(self, count: int, key: bytes = b"key") -> list[Record]:
        now_ms = self.next_time_ms()
        return [
            Record(i, now_ms + (7 * i) % 5, b"%s-%d" % (key, i), b"value %d of stay %d" % (i, self._stays))
            for i in range(count)
        ]

    def _write_by_clients(self) -> None:
        """Three clients with five codecs the first time, then each codec with another client."""
        clients = [kind(self._place.bootstrap) for kind in PYTHON_CLIENTS]
        for number, codec in enumerate(CODECS):
            topic = f"codec-{codec or 'none'}"
            chosen = clients if self._stays == 1 else [clients[(number + self._stays) % len(clients)]]
            for client in chosen:
                null = None if client.sends_null_in_headers else b"null"
                sent = [
                    Sent(
                        b"k%d" % i,
                        b"%s %d " % (client.name.encode(), i) * 20,
                        (("h", b"1"), ("h", null)),
                        self.next_time_ms(),
                    )
                    for i in range(20)
                ]
                sent.append(Sent(None, b"without a key"))
                assert set(client.send(topic, sent, codec)) == {0}
                self.sent.setdefault(topic, []).extend(sent)

    def _write_odd_records(self, broker: Broker) -> None:
        now_ms = self.next_time_ms()
        odd = [
            Record(0, now_ms, b"k", b"v", HEADERS),
            Record(1, now_ms, b"", b""),
            Record(2, now_ms - 5, None, None),
            Record(3, now_ms - 9, b"k", None, (RecordHeader("only", None),)),
        ]
        for topic in ("x.y_z-0", LONGEST_NAME):
            broker.append(topic, odd)
        for topic in ("headers", "append-time"):
            broker.append(topic, odd)
            broker.append(topic, odd, compression=Compression.ZSTD)
        broker.append("append-time", self._records(9), compression=Compression.GZIP)
        broker.append("recompressed", self._records(9), compression=Compression.LZ4)
        broker.append("recompressed", self._records(9), compression=Compression.GZIP)

    def _write_segments(self, broker: Broker) -> None:
        producer = self._new_producer(broker)
        for number in range(6):
            codec = list(Compression)[number % 5]
            broker.append("segments", self._records(12), producer=producer, sequence=12 * number, compression=codec)
            broker.append("trimmed", self._records(3))
            broker.append("preallocated", self._records(3), compression=codec)
        broker.append("configured", self._records(5))
        for number in range(5):
            now_ms = self.next_time_ms()
            value = bytes(range(256)) * 1200  # 300 KiB
            broker.append("large", [Record(0, now_ms, b"%d" % number, value)])
        self._write_times(broker)
        self._write_compacted(broker)

    def _write_times(self, broker: Broker) -> None:
        """Times that go back, stand still, jump ahead or are not there, over several segments."""
        now_ms = self.next_time_ms()
        for step in (
            (0, 3, 3),
            (-1, -1, -1),
            (9000, 1, 2),
            (8000, 8000, 8000),
            (1, -1, 9000),
            (-5000, 0, 7),
            (20_000,),
        ):
            times = [now_ms + each if each != -1 else NO_TIMESTAMP for each in step]
            broker.append("times", [Record(i, time_ms, None, b"v") for i, time_ms in enumerate(times)])

    def _write_compacted(self, broker: Broker) -> None:
        """One producer goes on through all stays, although its records, and in the end whole batches, are cleaned."""
        if self._compacting is None:
            self._compacting = self._new_producer(broker)
        for number in range(8):
            records = self._records(6, b"c%d" % (number % 3))
            broker.append("compacted", records, producer=self._compacting, sequence=self._compacting_sequence)
            self._compacting_sequence += len(records)
        for number in range(3):
            broker.append("compacted", self._records(6, b"c%d" % number))
        tombstones = [record._replace(value=None) for record in self._records(2, b"c1")]
        broker.append("compacted", tombstones)
        broker.append("compacted", self._records(1, b"active"))
        keys = 6 * 3 + 1
        wait_until(lambda: _count_records(broker, "compacted") <= keys + 1, "the cleaner has been there")

    def _change_topics(self, broker: Broker) -> None:
        if self._stays == 1:
            self._records_in(broker, "deleted-later")
        count = self._stays + 1
        request = CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name="grown", count=count, assignments=None)], timeout_ms=30_000
        )
        answer = broker.ask(request, CreatePartitionsResponse, 3).results[0]
        assert answer.error_code == 0, answer.error_message
        for partition in range(count):
            broker.append("grown", self._records(2), partition=partition)
        low = broker.append("trimmed", self._records(2))
        assert delete_records(broker, "trimmed", low - 3) == low - 3
        self._records_in(broker, "recreated")
        delete_topic(broker, "recreated")
        self.create_topic(broker, "recreated", 2, {"retention.ms": str(86_400_000 * (1 + self._stays))})
        self._records_in(broker, "recreated")
        self.create_topic(broker, f"stay-{self._stays}")
        self._records_in(broker, f"stay-{self._stays}")

    def _records_in(self, broker: Broker, topic: str) -> None:
        broker.append(topic, self._records(self._stays + 2))

    # Producers

    def _new_producer(self, broker: Broker) -> Producer:
        producer = broker.new_producer()
        self.producer_ids.append(producer.producer_id)
        return producer

    def _continue_sequences(self, broker: Broker) -> None:
        """Earlier producers go on where they were; one more begins."""
        for name in list(self._sequences):
            self._continue(broker, name)
        producer = self._new_producer(broker)
        records = self._records(4)
        offset = broker.append("sequences", records, producer=producer, sequence=0)
        self._sequences[f"of stay {self._stays}"] = Sequence(producer, 4, records, offset)

    def _continue(self, broker: Broker, name: str) -> None:
        """The last batch again is known, a gap is refused, the next batch is taken."""
        producer, next_sequence, last, last_offset = self._sequences[name]

        def send(records: list[Record], sequence: int) -> Any:
            return broker.produce("sequences", records, producer=producer, sequence=sequence)

        again = send(last, next_sequence - len(last))
        assert (again.error_code, again.base_offset) == (0, last_offset), f"{name}: a duplicate was not recognised"
        records = self._records(4)
        gap = send(records, next_sequence + 1)
        assert gap.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, f"{name}: a gap was taken"
        taken = send(records, next_sequence)
        assert taken.error_code == 0, (name, ErrorCode(taken.error_code).name)
        assert taken.base_offset > last_offset
        self._sequences[name] = Sequence(producer, next_sequence + 4, records, taken.base_offset)

    # Groups and configs

    def _commit_offsets(self, broker: Broker) -> None:
        for number, group in enumerate(GROUPS):
            metadata = "" if group == "group-without-metadata" else f"käse of stay {self._stays}"
            commit(broker, group, "codec-gzip", 0, 3 + number + self._stays, metadata)
            commit(broker, group, "grown", self._stays, self._stays, metadata)
        self.groups |= {*GROUPS, CLASSIC}

    def _set_configs(self, broker: Broker) -> None:
        alter_config(broker, TOPIC, "empty", "retention.bytes", "123456789")
        alter_config(broker, BROKER, "", "log.retention.ms", "604800001")
        alter_config(broker, BROKER, "1", "log.cleaner.threads", "2")
        alter_config(broker, GROUP_CONFIG, "configured", "consumer.session.timeout.ms", "50001")


def _count_records(broker: Broker, topic: str) -> int:
    return sum(read_header(data).record_count for data in broker.read(topic, 0)[0])


def create_topic(broker: Broker, name: str, count: int, configs: dict[str, str]) -> None:
    pairs = [CreatableTopicConfig(name=key, value=value) for key, value in configs.items()]
    topic = CreatableTopic(name=name, num_partitions=count, replication_factor=1, configs=pairs)
    # Kafka has not yet forgotten everything about a topic of this name when its deletion is answered.
    answer = patiently(
        lambda: broker.ask(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7).topics[0],
        lambda answer: answer.error_code,
    )
    assert answer.error_code == 0, (name, answer.error_message)


def delete_topic(broker: Broker, name: str) -> None:
    request = DeleteTopicsRequest(topic_names=[name], timeout_ms=30_000)
    answer = broker.ask(request, DeleteTopicsResponse, 5).responses[0]
    assert answer.error_code == 0, (name, answer.error_message)
    # What Kafka's controller has deleted, its broker may still list for a while.
    listing = MetadataRequest(topics=None)
    wait_until(
        lambda: all(topic.name != name for topic in broker.ask(listing, MetadataResponse, 12).topics),
        f"{name} is not listed any more",
    )


def delete_records(broker: Broker, topic: str, before: int) -> int:
    """Move the start of partition 0; -1 empties it. The new start."""
    wanted = DeleteRecordsTopic(name=topic, partitions=[DeleteRecordsPartition(partition_index=0, offset=before)])
    request = DeleteRecordsRequest(topics=[wanted], timeout_ms=30_000)
    answer = broker.ask(request, DeleteRecordsResponse, 2).topics[0].partitions[0]
    assert answer.error_code == 0, (topic, ErrorCode(answer.error_code).name)
    return answer.low_watermark


def alter_config(broker: Broker, resource_type: int, name: str, key: str, value: str) -> None:
    change = AlterableConfig(name=key, config_operation=0, value=value)
    resource = AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=[change])
    request = IncrementalAlterConfigsRequest(resources=[resource])
    answer = broker.ask(request, IncrementalAlterConfigsResponse, 1).responses[0]
    assert answer.error_code == 0, (name, key, answer.error_message)


def commit(broker: Broker, group: str, topic: str, partition: int, offset: int, metadata: str | None) -> None:
    """A commit of a group without members, with the leader epoch that a consumer would know."""
    broker.find_coordinator(group, GROUP)
    committed = OffsetCommitRequestPartition(
        partition_index=partition, committed_offset=offset, committed_leader_epoch=0, committed_metadata=metadata
    )
    request = OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=-1,
        topics=[OffsetCommitRequestTopic(name=topic, partitions=[committed])],
    )
    answer = patiently(
        lambda: broker.ask(request, OffsetCommitResponse, 8).topics[0].partitions[0], lambda answer: answer.error_code
    )
    assert answer.error_code == 0, (group, ErrorCode(answer.error_code).name)
