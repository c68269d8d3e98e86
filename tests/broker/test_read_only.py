"""A broker that only reads: on its own directory when asked to, on any that is not its own alone in any case."""

from __future__ import annotations

import shutil
import signal
import subprocess

import pytest
from ottla.broker.config import ConfigError, load_config
from ottla.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)

from ..harness.broker_process import BrokerDidNotStart, OttlaBroker
from ..harness.raw_client import RawClient
from ..harness.unchanged import photograph
from .read_only_home import produce_some


@pytest.fixture
def home(tmp_path):
    """A function that makes a broker on `tmp_path/data`; all are killed at the end."""
    brokers = []

    def make(*arguments, **options):
        broker = OttlaBroker(tmp_path, {"offsets.topic.num.partitions": "3", **options}, tuple(arguments))
        brokers.append(broker)
        return broker

    yield make
    for broker in brokers:
        broker.kill()


def end_offset(broker, topic="orders"):
    partitions = [ListOffsetsPartition(partition_index=0, timestamp=-1)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=partitions)])
    with RawClient(broker) as client:
        answer = client.ask(request, ListOffsetsResponse, 5).topics[0].partitions[0]
    assert answer.error_code == 0
    return answer.offset


def leaders(broker):
    with RawClient(broker) as client:
        topics = client.ask_metadata().topics
    return {(topic.name, p.partition_index): p.leader_id for topic in topics for p in topic.partitions}


@pytest.fixture
def used(request, home):
    """A directory of our own with ten records, whose broker was killed unless a test asks for a good stop."""
    broker = home()
    broker.start()
    produce_some(broker, 10)
    broker.stop() if getattr(request, "param", "killed") == "stopped" else broker.kill()
    return broker


@pytest.mark.parametrize("used", ["stopped", "killed"], indirect=True)
@pytest.mark.parametrize("way", [("--read-only",), ("-o", "ottla.read.only=true")], ids=" ".join)
def test_ones_own_directory_can_be_read_alone(home, way, used):
    before = photograph(used.data_dir)
    reader = home(*way)
    reader.start()
    assert end_offset(reader) == 10
    assert "ottla.read.only is set; 1 of 1 partitions are here" in reader.log_text()
    assert reader.stop() == 0
    assert photograph(used.data_dir) == before
    writer = home()
    writer.start()
    produce_some(writer, 1)
    assert end_offset(writer) == 11


def test_several_may_read_at_a_time_and_nobody_may_write_meanwhile(home, used):
    first, second = home("--read-only"), home("--read-only")
    first.start()
    second.start()
    assert end_offset(first) == end_offset(second) == 10
    with pytest.raises(BrokerDidNotStart, match="is locked: another broker uses this directory"):
        home().start()


def test_a_directory_that_somebody_writes_is_not_read(home, used):
    writer = home()
    writer.start()
    with pytest.raises(BrokerDidNotStart, match="is locked: another broker uses this directory"):
        home("--read-only").start()


def test_a_torn_tail_is_left_out_and_left_there(home, used):
    newest = sorted((used.data_dir / "orders-0").glob("*.log"))[-1]
    with newest.open("ab") as file:
        file.write(b"\1" * 100)
    (used.data_dir / ".kafka_cleanshutdown").unlink(missing_ok=True)
    before = photograph(used.data_dir)
    reader = home("--read-only")
    reader.start()
    assert end_offset(reader) == 10
    assert "100 bytes behind offset 10 are no whole batches and are left out" in reader.log_text()
    reader.kill()
    assert photograph(used.data_dir) == before


def test_partitions_without_the_metadata_of_their_cluster_are_read_by_their_folders(home, used):
    shutil.rmtree(used.data_dir / "__cluster_metadata-0")
    (used.data_dir / "orders-0").rename(used.data_dir / "orders-2")
    before = photograph(used.data_dir)
    reader = home()
    reader.start()
    assert "the metadata of their cluster is elsewhere; 1 of 3 partitions are here" in reader.log_text()
    assert leaders(reader) == {("orders", 0): -1, ("orders", 1): -1, ("orders", 2): 1}
    reader.kill()
    assert photograph(used.data_dir) == before


def test_folders_alone_are_enough(home, used):
    """A few folders copied from somewhere, without anything that says whose they are."""
    for entry in used.data_dir.iterdir():
        if entry.name != "orders-0":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    with pytest.raises(BrokerDidNotStart, match=r"holds orders-0 but no meta\.properties.*with --read-only"):
        home().start()
    before = photograph(used.data_dir)
    reader = home("--read-only")
    reader.start()
    assert end_offset(reader) == 10
    reader.kill()
    assert photograph(used.data_dir) == before


def test_a_directory_of_another_node_says_which(home, used):
    with pytest.raises(BrokerDidNotStart, match=r"belongs to node 1, this broker is node 4.*start with node\.id=1"):
        home(**{"node.id": "4"}).start()


def test_a_directory_that_is_not_there_is_not_made(home):
    reader = home("--read-only")
    shutil.rmtree(reader.data_dir, ignore_errors=True)
    with pytest.raises(BrokerDidNotStart, match="No such file or directory"):
        reader.start()
    assert not reader.data_dir.exists()


def test_a_reader_stops_as_anybody_does(home, used):
    reader = home("--read-only")
    reader.start()
    process = reader.process
    assert isinstance(process, subprocess.Popen)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert reader.log_text().rstrip().endswith("stopped")


class TestConfig:
    def test_the_default_is_to_write(self):
        assert not load_config().read_only

    def test_the_option_and_the_key_mean_the_same(self):
        assert load_config(read_only=True).read_only
        assert load_config(overrides=["ottla.read.only=true"]).read_only

    def test_it_outlives_a_dynamic_change(self):
        assert load_config(read_only=True).with_dynamic({"log.retention.ms": "5"}, {}).read_only

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("ottla.read.only=perhaps", "ottla.read.only=perhaps"),
            ("ottla.read.olny=true", "unknown key; Ottla's own are ottla.cluster.id, ottla.read.only"),
        ],
    )
    def test_what_it_cannot_be_is_refused(self, setting, said):
        with pytest.raises(ConfigError, match=said):
            load_config(overrides=[setting])

    @pytest.mark.parametrize(
        "wish",
        [
            "process.roles=broker",
            "controller.quorum.voters=1@a:1,2@b:1",
            "offsets.topic.replication.factor=3",
            "default.replication.factor=3",
        ],
    )
    def test_a_cluster_of_several_may_be_wished_for_when_nothing_is_written(self, wish):
        with pytest.raises(ConfigError):
            load_config(overrides=[wish])
        load_config(overrides=[wish], read_only=True)
