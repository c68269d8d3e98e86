"""What `inspect` says of a directory, whole or damaged, in use or not; it changes nothing."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from ottla.broker.inspection.inspection import Inspection, TopicSummary, inspect_directory
from ottla.broker.inspection.inspection_json import as_json
from ottla.broker.inspection.inspection_text import group_details, overview, topic_details
from ottla.broker.metadata.metadata_records import encode_record
from ottla.protocol.record_batch import read_headers
from ottla.protocol.records import Record, build_batch
from ottla.protocol.stored import metadata as stored

from .data_directory import NOW_MS, cut, fingerprint, flip

if TYPE_CHECKING:
    from pathlib import Path


def inspect(path: Path) -> Inspection:
    before = fingerprint(path)
    inspection = inspect_directory(str(path))
    as_json(inspection)
    overview(inspection, 100, with_internal=True)
    assert fingerprint(path) == before
    return inspection


def document(path: Path) -> dict[str, Any]:
    """The JSON, by way of its text."""
    return json.loads(json.dumps(as_json(inspect(path))))


def topic(inspection: Inspection, name: str) -> TopicSummary:
    return next(topic for topic in inspection.topics if topic.name == name)


def test_whose_it_is_and_how_it_was_left(sound: Path) -> None:
    told = document(sound)
    properties = dict(line.split("=") for line in (sound / "meta.properties").read_text().splitlines() if "=" in line)
    assert told["directory"] == {
        "path": str(sound),
        "state": "clean stop",
        "locked_by_pid": None,
        "cluster_id": properties["cluster.id"],
        "node_id": "1",
        "directory_id": properties["directory.id"],
        "version": "1",
    }
    metadata = told["metadata"]
    assert (metadata["metadata_version"], metadata["metadata_version_name"]) == (30, "4.3-IV0")
    assert metadata["features"]["transaction.version"] == 2
    assert (metadata["leader_epoch"], metadata["quorum_state_epoch"]) == (1, 1)
    assert (metadata["brokers"], metadata["foreign_replicas"]) == ([1], {})
    assert told["problems"] == []


def test_topics(sound: Path) -> None:
    topics = {topic["name"]: topic for topic in document(sound)["topics"]}
    assert list(topics) == ["compacted", "empty", "orders", "txn", "__cluster_metadata", "__consumer_offsets"]
    orders = topics["orders"]
    assert orders["configs"] == {"index.interval.bytes": "100", "retention.ms": "-1"}
    assert (orders["replication_factor"], orders["cleanup_policy"], orders["internal"]) == (1, "delete", False)
    assert topics["compacted"]["cleanup_policy"] == "compact"
    assert f"topic_id: {orders['topic_id']}" in (sound / "orders-0" / "partition.metadata").read_text()
    partition = orders["partitions"][1]
    assert partition["size_bytes"] == sum(path.stat().st_size for path in (sound / "orders-1").glob("*.log"))
    assert (partition["segments"], partition["log_start_offset"], partition["log_end_offset"]) == (3, 0, 180)
    assert partition["newest_record_ms"] == NOW_MS + 590 + 2
    assert partition["replicas"] == [1]
    empty = topics["empty"]["partitions"][2]
    assert (empty["log_end_offset"], empty["newest_record_ms"]) == (0, None)


def test_open_transactions(sound: Path) -> None:
    [txn] = next(topic for topic in document(sound)["topics"] if topic["name"] == "txn")["partitions"]
    assert txn["producers"] == 4
    assert txn["open_transactions"] == [{"producer_id": 8, "producer_epoch": 0, "first_offset": 6}]


def test_groups(sound: Path) -> None:
    [group] = document(sound)["groups"]
    assert (group["group_id"], group["type"], group["state"]) == ("readers", "classic", "Stable")
    assert (group["protocol_type"], group["protocol"], group["epoch"]) == ("consumer", "range", 4)
    assert group["members"] == ["m-1"]
    lags = {(o["topic"], o["partition"]): (o["offset"], o["log_end_offset"], o["lag"]) for o in group["offsets"]}
    assert lags == {("orders", 0): (170, 180, 10), ("orders", 1): (180, 180, 0), ("gone", 0): (9, None, None)}
    assert group["offsets"][0]["committed_ms"] == NOW_MS


def test_checkpoints(sound: Path) -> None:
    told = {checkpoint["name"]: checkpoint["entries"] for checkpoint in document(sound)["checkpoints"]}
    assert told["recovery-point-offset-checkpoint"] == 9
    assert told["replication-offset-checkpoint"] == 8


def test_after_a_crash(crashed: Path) -> None:
    assert document(crashed)["directory"]["state"] == "unclean stop"
    assert "the next start recovers" in "\n".join(overview(inspect(crashed), None, with_internal=False))


def test_what_is_left_over(directory: Path) -> None:
    shutil.copytree(directory / "txn-0", directory / f"old-3.{'a' * 32}-stray")
    shutil.copy(directory / "meta.properties", directory / "orders-0" / "00000000000000000000.log.deleted")
    (directory / "lost+found").mkdir()
    left = {item["path"].rpartition("/")[2]: item["what"] for item in document(directory)["leftovers"]}
    assert "set aside" in left[f"old-3.{'a' * 32}-stray"]
    assert "given up" in left["00000000000000000000.log.deleted"]
    assert "not a folder of a broker" in left["lost+found"]


def test_a_torn_log_is_shown_up_to_where_it_is_whole(directory: Path) -> None:
    cut(directory / "orders-0" / "00000000000000000120.log", 5)
    orders = topic(inspect(directory), "orders")
    assert [partition.log_end_offset for partition in orders.partitions] == [177, 180]
    assert "00000000000000000120.log: after offset 176" in orders.problems[0]


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(directory: Path) -> None:
    (directory / "orders-0" / "partition.metadata").write_text("version: 7\n")
    (directory / "log-start-offset-checkpoint").write_text("0\nx\n")
    (directory / "meta.properties").write_text("nothing")
    (directory / "__cluster_metadata-0" / "quorum-state").write_text("{")
    for index in range(0, 100, 7):
        flip(directory / "__consumer_offsets-0" / "00000000000000000000.log", 61 + index)
    told = document(directory)
    assert len([t for t in told["topics"] if t["in_metadata"]]) == 6
    assert (
        "partition.metadata" in next(t for t in told["topics"] if t["name"] == "orders")["partitions"][0]["problems"][0]
    )
    named = "\n".join(told["problems"])
    for file in ("log-start-offset-checkpoint", "meta.properties", "quorum-state", "__consumer_offsets-0"):
        assert file in named


def test_without_a_metadata_log_the_folders_speak(directory: Path) -> None:
    shutil.rmtree(directory / "__cluster_metadata-0")
    inspection = inspect(directory)
    assert inspection.metadata is None
    orders = topic(inspection, "orders")
    assert (orders.topic_id is None, orders.in_metadata, len(orders.partitions)) == (False, None, 2)
    assert "the metadata log is not in this directory" in "\n".join(overview(inspection, None, with_internal=False))


def test_a_formatted_directory(sound: Path, tmp_path: Path) -> None:
    """As `kafka-storage format` leaves it."""
    shutil.copy(sound / "meta.properties", tmp_path)
    inspection = inspect(tmp_path)
    assert (inspection.identity.state, inspection.topics) == ("never used", [])
    assert "Written by nobody yet" in overview(inspection, None, with_internal=False)


def test_partitions_of_another_directory_of_the_node_are_not_missed(directory: Path) -> None:
    """One of several log.dirs: the metadata says where each partition is."""
    text = (directory / "meta.properties").read_text()
    [here] = [line for line in text.splitlines() if line.startswith("directory.id=")]
    shutil.rmtree(directory / "orders-1")
    (directory / "meta.properties").write_text(text.replace(here, "directory.id=AAAAAAAAAAAAAAAAAAAAbQ"))
    assert topic(inspect(directory), "orders").elsewhere == []


def test_a_partition_without_folder(directory: Path) -> None:
    shutil.rmtree(directory / "orders-1")
    orders = topic(inspect(directory), "orders")
    assert orders.elsewhere == [1]
    assert "No folder here for partitions 1" in topic_details(inspect(directory), orders, None)


def test_replicas_on_other_brokers(directory: Path) -> None:
    """As in a directory that is copied from a cluster of several."""
    records = [
        stored.TopicRecord(name="shared", topic_id=b"s" * 16),
        stored.PartitionRecord(partition_id=0, topic_id=b"s" * 16, replicas=[2, 1], isr=[2, 1], leader=2),
        stored.PartitionRecord(partition_id=1, topic_id=b"s" * 16, replicas=[2, 3], isr=[2, 3], leader=3),
    ]
    log = directory / "__cluster_metadata-0" / "00000000000000000000.log"
    end = max(header.next_offset for _, header in read_headers(log.read_bytes()))
    values = [Record(end + i, NOW_MS, None, encode_record(record)) for i, record in enumerate(records)]
    log.write_bytes(log.read_bytes() + build_batch(values, base_offset=end, partition_leader_epoch=1))
    inspection = inspect(directory)
    assert inspection.foreign_replicas == {2: 2, 3: 1}
    shared = topic(inspection, "shared")
    assert (shared.replication_factor, shared.elsewhere) == (2, [0])
    said = "\n".join(overview(inspection, None, with_internal=False))
    assert "brokers 1, 2, 3; replicas on 2 (2 partitions), 3 (1 partition)" in said


def test_the_table_fits_the_terminal(sound: Path) -> None:
    inspection = inspect(sound)
    wide = overview(inspection, None, with_internal=False)
    assert any("index.interval.bytes=100 retention.ms=-1" in line for line in wide)
    assert not any(line.startswith("__") for line in wide)
    start = next(i for i, line in enumerate(wide) if line.startswith("TOPIC"))
    narrow = overview(inspection, 110, with_internal=False)
    assert all(len(line) <= 110 for line in narrow[start : start + 5])
    assert any(line.startswith("orders") and line.endswith("..") for line in narrow)


def test_internal_topics_are_shown_on_demand_and_last(sound: Path) -> None:
    names = [line.split(" ")[0] for line in overview(inspect(sound), None, with_internal=True)]
    assert names.index("__cluster_metadata") > names.index("txn")


def test_compaction_makes_the_count_an_upper_bound(sound: Path) -> None:
    lines = overview(inspect(sound), None, with_internal=False)
    assert "<=2" in next(line for line in lines if line.startswith("compacted"))


def test_details(sound: Path) -> None:
    inspection = inspect(sound)
    lines = topic_details(inspection, topic(inspection, "txn"), None)
    assert "Partition 0: transaction of producer 8 (epoch 0) open since offset 6" in lines
    lines = group_details(inspection.groups[0], None)
    assert lines[0] == "Group readers, classic, Stable, protocol consumer, range, epoch 4"
    assert any(line.split()[:5] == ["orders", "0", "170", "180", "10"] for line in lines)
