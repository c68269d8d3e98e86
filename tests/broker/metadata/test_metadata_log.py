"""The metadata log's own concerns: what may stand in it, snapshots, and that Kafka's tools read it."""

from __future__ import annotations

import json
import re

import pytest
from ottla.broker.metadata.image import ResourceType
from ottla.broker.metadata.metadata_reader import UnreadableMetadata
from ottla.broker.metadata.metadata_records import encode_record
from ottla.protocol.compiler import encode
from ottla.protocol.control_records import (
    ControlRecordType,
    KRaftVersionRecord,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    VotersRecord,
    control_key,
)
from ottla.protocol.records import Record, build_batch
from ottla.protocol.stored import metadata as stored
from ottla.storage.append import AppendOrigin

from ..metadata_broker import MetadataBroker

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"


@pytest.fixture
def broker(tmp_path):
    return MetadataBroker(tmp_path)


def append_raw(broker, *, key=None, value=None, is_control=False):
    """Append what no broker of ours would write; returns its offset."""
    batch = build_batch([Record(0, 0, key, value)], base_offset=0, is_control=is_control)
    appended = broker.log.append(memoryview(batch), leader_epoch=1, now_ms=0, origin=AppendOrigin.RAFT)
    return appended.base_offset


class TestStrangeRecords:
    @pytest.mark.parametrize(
        ("value", "named"),
        [
            (b"\x01\x63\x00\x00", r"metadata record type 99 \(version 0\) is not known"),
            (b"\x01\x03\x07\x00", "PartitionRecord has version 7, known up to 2"),
            (b"\x02\x02\x00\x00", "frame version 2, known is 1"),
            (b"", "ends within its frame"),
            (None, "ends within its frame"),
        ],
    )
    def test_a_record_that_is_not_known_is_named_with_its_offset(self, broker, value, named):
        offset = append_raw(broker, value=value)
        with pytest.raises(UnreadableMetadata, match=f"__cluster_metadata-0 at offset {offset}: .*{named}"):
            broker.load()

    @pytest.mark.parametrize("kind", [0, 1, 99])
    def test_a_control_record_that_does_not_belong_is_refused(self, broker, kind):
        offset = append_raw(broker, key=b"\0\0" + kind.to_bytes(2, "big"), value=b"\0\0\0\0\0\0", is_control=True)
        with pytest.raises(UnreadableMetadata, match=f"at offset {offset}: "):
            broker.load()

    def test_the_voters_of_a_dynamic_quorum_are_passed_over(self, broker):
        for kind, message in (
            (ControlRecordType.KRAFT_VERSION, KRaftVersionRecord(k_raft_version=1)),
            (ControlRecordType.KRAFT_VOTERS, VotersRecord()),
        ):
            append_raw(broker, key=control_key(kind), value=encode(message, 0), is_control=True)
        broker.create("orders")
        broker.restart()
        assert list(broker.metadata.image.topics_by_name) == ["orders"]


def write_snapshot(broker, end_offset, records, name=None):
    """A snapshot as Kafka writes one: a header, the state, a footer, each in a batch of its own."""
    header, footer = SnapshotHeaderRecord(), SnapshotFooterRecord()
    batches = [
        [Record(0, 0, control_key(ControlRecordType.SNAPSHOT_HEADER), encode(header, 0))],
        [Record(1 + i, 0, None, encode_record(record)) for i, record in enumerate(records)],
        [Record(1 + len(records), 0, control_key(ControlRecordType.SNAPSHOT_FOOTER), encode(footer, 0))],
    ]
    content = b"".join(
        build_batch(batch, base_offset=batch[0].offset, is_control=batch[0].key is not None) for batch in batches
    )
    path = broker.directory / (name or f"{end_offset:020d}-0000000001.checkpoint")
    path.write_bytes(content)
    return path


class TestSnapshots:
    def state(self, broker):
        topic = broker.create("orders", 2, retention_bytes="9")
        levels = [stored.FeatureLevelRecord(name="metadata.version", feature_level=30)]
        partitions = [
            stored.PartitionRecord(
                partition_id=i, topic_id=topic.topic_id, replicas=[1], isr=[1], leader=1, leader_epoch=5
            )
            for i in range(2)
        ]
        registration = stored.RegisterBrokerRecord(broker_id=1)
        return [*levels, registration, stored.TopicRecord(name="orders", topic_id=topic.topic_id), *partitions]

    def test_the_newest_one_stands_for_everything_before_its_offset(self, broker):
        state = self.state(broker)
        write_snapshot(broker, 1, [stored.TopicRecord(name="stale", topic_id=b"s" * 16)])
        write_snapshot(broker, broker.metadata_log.end_offset, state)
        end_offset = broker.metadata_log.end_offset
        broker.load()
        image = broker.metadata.image
        assert [p.leader_epoch for p in image.topics_by_name["orders"].partitions] == [5, 5]
        assert image.last_offset == end_offset - 1
        assert image.configs == {}

    def test_what_follows_it_is_replayed_on_top(self, broker):
        state = self.state(broker)
        write_snapshot(broker, broker.metadata_log.end_offset, state)
        broker.metadata.set_configs(ResourceType.TOPIC, "orders", {"retention.ms": "5"})
        broker.restart()
        assert broker.metadata.image.configs_of(ResourceType.TOPIC, "orders") == {"retention.ms": "5"}

    def test_an_unfinished_one_is_none(self, broker):
        broker.create("orders")
        write_snapshot(
            broker, 5, [stored.EndTransactionRecord()], name="00000000000000000005-0000000001.checkpoint.part"
        )
        broker.restart()
        assert list(broker.metadata.image.topics_by_name) == ["orders"]

    def test_a_broken_one_is_refused_by_name(self, broker):
        path = write_snapshot(broker, 5, [stored.NoOpRecord()])
        content = bytearray(path.read_bytes())
        content[-10] ^= 1
        path.write_bytes(content)
        with pytest.raises(UnreadableMetadata, match=f"{path.name}.*, or remove it"):
            broker.load()

    def test_a_log_without_its_beginning_needs_one(self, broker):
        broker.log.truncate_fully_and_start_at(1000, now_ms=0)
        broker.log.close()
        with pytest.raises(UnreadableMetadata, match="begins at offset 1000 without a snapshot"):
            broker.load()


class TestKafkasOwnTool:
    """`kafka-dump-log --cluster-metadata-decoder` reads every kind of record that is written here."""

    def test_it_reads_the_log_without_complaint(self, broker, java_tools):
        topic = broker.create("orders", 2, retention_ms="5")
        broker.metadata.create_partitions(topic, 3)
        broker.metadata.allocate_producer_ids()
        gone = broker.create("gone")
        broker.metadata.delete_topic(gone)
        broker.metadata.set_configs(ResourceType.TOPIC, "orders", {"retention.ms": None})
        broker.crash()
        broker.metadata.close()
        files = ",".join(str(path) for path in sorted(broker.directory.glob("0*")) if path.suffix != ".snapshot")
        done = java_tools.run(DUMP_LOG, "--cluster-metadata-decoder", "--files", files)
        assert done.status == 0
        complaints = [
            line for line in (done.out + done.err).splitlines() if re.search(r"rror|xception|invalid|mismatch", line)
        ]
        assert not complaints
        written = dumped_records(done.out)
        assert [record["type"] for record in written if record["type"] != "FEATURE_LEVEL_RECORD"] == [
            "CONFIG_RECORD",
            "REGISTER_BROKER_RECORD",
            "TOPIC_RECORD",
            "CONFIG_RECORD",
            "PARTITION_RECORD",
            "PARTITION_RECORD",
            "PARTITION_RECORD",
            "PRODUCER_IDS_RECORD",
            "TOPIC_RECORD",
            "PARTITION_RECORD",
            "REMOVE_TOPIC_RECORD",
            "CONFIG_RECORD",
            "REGISTER_BROKER_RECORD",
            "PARTITION_CHANGE_RECORD",
            "PARTITION_CHANGE_RECORD",
            "PARTITION_CHANGE_RECORD",
            "BROKER_REGISTRATION_CHANGE_RECORD",
        ]
        assert done.out.count("LeaderChange:") == 2
        partition = next(record for record in written if record["type"] == "PARTITION_RECORD")
        assert (partition["version"], partition["data"]["leader"], partition["data"]["isr"]) == (2, 1, [1])


def dumped_records(out):
    return [json.loads(line.split("payload: ")[1]) for line in out.splitlines() if "payload: " in line]


class TestBootstrap:
    """`kafka-storage format` leaves the first records in a file beside the log's directory."""

    def write(self, broker, *levels):
        records = [stored.FeatureLevelRecord(name=name, feature_level=level) for name, level in levels]
        written = write_snapshot(broker, 0, records)
        written.rename(broker.directory.parent / "bootstrap.checkpoint")

    def test_a_directory_that_kafka_formatted_begins_with_its_levels(self, tmp_path):
        broker = MetadataBroker(tmp_path, started=False)
        self.write(broker, ("metadata.version", 29), ("eligible.leader.replicas.version", 1))
        broker.load()
        broker.start()
        image = broker.metadata.image
        assert image.features == {"metadata.version": 29, "eligible.leader.replicas.version": 1}
        assert image.configs_of(ResourceType.BROKER, "") == {"min.insync.replicas": "1"}

    def test_a_log_that_has_levels_keeps_them(self, broker):
        self.write(broker, ("metadata.version", 29))
        broker.restart()
        assert broker.metadata.image.features["metadata.version"] == 30

    def test_a_log_with_records_and_no_level_is_not_given_one(self, broker, tmp_path):
        write_snapshot(broker, broker.metadata_log.end_offset, [stored.RegisterBrokerRecord(broker_id=1)])
        with pytest.raises(ValueError, match=f"{broker.directory} has records but no metadata.version"):
            broker.load()

    def test_the_file_and_the_offset_of_a_level_are_named(self, broker):
        record = stored.FeatureLevelRecord(name="metadata.version", feature_level=31)
        offset = broker.metadata_log.append([record])
        with pytest.raises(
            ValueError, match=f"{broker.directory} at offset {offset} finalizes feature metadata.version"
        ):
            broker.load()

    def test_levels_that_are_not_supported_refuse_the_start_before_anything_is_written(self, tmp_path):
        broker = MetadataBroker(tmp_path, started=False)
        self.write(broker, ("metadata.version", 31))
        with pytest.raises(ValueError, match=r"metadata\.version at 31"):
            broker.load()
        assert broker.metadata_log.end_offset == 0
