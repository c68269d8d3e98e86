"""One log directory: its lock, its name, its folders, and what the end of a process leaves for the next."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from ottla.storage.checkpoints import CorruptFile, TopicPartition, read_offsets, read_partition_metadata
from ottla.storage.environment import StorageEnvironment
from ottla.storage.log_config import LogConfig
from ottla.storage.log_directory import LogDirectory, LogDirectoryError
from ottla.storage.meta_properties import read_meta_properties

from .log_home import NOW_MS, append, values_of

if TYPE_CHECKING:
    from pathlib import Path

    from ottla.storage.log import Log

CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"
TOPIC_ID, OTHER_ID = b"a" * 16, b"b" * 16


def locked(path: Path, node_id: int = 1) -> LogDirectory:
    return LogDirectory.lock(str(path), StorageEnvironment(), node_id=node_id)


def begun(path: Path) -> LogDirectory:
    directory = locked(path)
    directory.check_folders()
    directory.join_cluster(CLUSTER, 1)
    directory.begin()
    return directory


def open_log(directory: LogDirectory, topic: str = "t", partition: int = 0, topic_id: bytes = TOPIC_ID) -> Log:
    log = directory.open_log(topic, partition, topic_id, LogConfig(), NOW_MS)
    log.high_watermark = log.log_end_offset
    return log


def refused(path: Path) -> str:
    with pytest.raises(LogDirectoryError) as error:
        locked(path)
    return str(error.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


class TestLock:
    def test_one_at_a_time(self, path):
        first = locked(path)
        assert "another broker uses this directory" in refused(path)
        first.unlock()
        locked(path).unlock()

    def test_a_new_directory_is_empty_until_it_is_begun(self, path):
        directory = locked(path)
        assert os.listdir(path) == []
        assert directory.cluster_id is None
        directory.unlock()

    def test_a_refusal_lets_go_of_the_lock(self, path):
        begun(path).unlock()
        with pytest.raises(LogDirectoryError, match="belongs to node 1, this broker is node 2"):
            locked(path, node_id=2)
        locked(path).unlock()

    def test_a_file(self, path):
        path.write_text("mine")
        assert refused(path) == f"{path} is not a directory; name another one"

    def test_data_without_a_name(self, path):
        (path / "t-0").mkdir(parents=True)
        assert refused(path) == (
            f"{path} holds t-0 but no meta.properties; restore that file or name another directory, "
            "or look at this one with --read-only"
        )


class TestIdentity:
    def test_it_is_written_once_and_read_again(self, path):
        directory = begun(path)
        directory.close(7)
        again = locked(path)
        assert (again.cluster_id, again.directory_id) == (CLUSTER, directory.directory_id)
        assert read_meta_properties(str(path / "meta.properties")) == (CLUSTER, 1, directory.directory_id)
        again.unlock()

    def test_another_cluster(self, path):
        begun(path).unlock()
        directory = locked(path)
        with pytest.raises(LogDirectoryError, match=f"belongs to cluster {CLUSTER}, not to other; name another"):
            directory.join_cluster("other", 1)
        directory.unlock()

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("version=0\nbroker.id=1\ncluster.id=c\n", "has version 0, of Kafka with ZooKeeper"),
            ("version=2\n", "has version 2, only 1 is known"),
            ("", "names no version"),
            ("version=1\nnode.id=1\n", "names no cluster.id"),
            ("version=1\ncluster.id=c\n", "names no node.id"),
            ("version=1\ncluster.id=c\nnode.id=-1\n", "names no node.id"),
            ("version=1\ncluster.id=c\nnode.id=1\ndirectory.id=x\n", "has a directory.id that cannot be read: x"),
            ("what is this", "is not KEY=VALUE"),
        ],
    )
    def test_a_file_that_says_something_else(self, path, text, problem):
        path.mkdir()
        (path / "meta.properties").write_text(text)
        said = refused(path)
        assert said.startswith(f"{path / 'meta.properties'}: ")
        assert problem in said
        assert re.search("restore|name another|let Kafka", said)

    def test_one_of_before_directory_ids_gets_an_id(self, path):
        path.mkdir()
        (path / "meta.properties").write_text(f"version=1\ncluster.id={CLUSTER}\nnode.id=1\n")
        directory = begun(path)
        directory.unlock()
        assert read_meta_properties(str(path / "meta.properties")).directory_id == directory.directory_id
        assert any(directory.directory_id)


class TestLogs:
    def test_a_new_one_says_whose_it_is(self, path):
        directory = begun(path)
        open_log(directory)
        assert read_partition_metadata(str(path / "t-0")) == TOPIC_ID
        assert directory.holds("t", 0, TOPIC_ID)
        assert not directory.holds("t", 0, OTHER_ID)
        assert not directory.holds("t", 1, TOPIC_ID)
        directory.close(1)

    def test_records_are_there_after_a_clean_stop(self, path):
        directory = begun(path)
        append(open_log(directory), b"one", b"two")
        directory.close(9)
        assert (path / ".kafka_cleanshutdown").read_text() == '{"version":0,"brokerEpoch":9}'
        assert read_offsets(str(path / "recovery-point-offset-checkpoint")) == {TopicPartition("t", 0): 2}
        assert read_offsets(str(path / "replication-offset-checkpoint")) == {TopicPartition("t", 0): 2}
        again = begun(path)
        assert again.is_clean
        assert not (path / ".kafka_cleanshutdown").exists()
        assert values_of(open_log(again)) == {0: b"one", 1: b"two"}
        again.close(10)

    def test_records_are_there_after_a_crash(self, path):
        directory = begun(path)
        append(open_log(directory), b"one")
        directory.unlock()
        again = begun(path)
        assert not again.is_clean
        assert values_of(open_log(again)) == {0: b"one"}
        again.close(1)

    def test_a_folder_of_a_topic_of_before_is_set_aside(self, path):
        directory = begun(path)
        append(open_log(directory), b"old")
        directory.close(1)
        again = begun(path)
        assert not again.holds("t", 0, OTHER_ID)
        assert values_of(open_log(again, topic_id=OTHER_ID)) == {}
        assert again.holds("t", 0, OTHER_ID)
        [stray] = [name for name in os.listdir(path) if name.endswith("-stray")]
        assert re.fullmatch(r"t-0\.[0-9a-f]{32}-stray", stray)
        assert (path / stray / f"{0:020d}.log").stat().st_size > 0
        again.close(2)

    def test_a_folder_without_id_is_taken_over(self, path):
        directory = begun(path)
        append(open_log(directory), b"kept")
        directory.close(1)
        (path / "t-0" / "partition.metadata").unlink()
        again = begun(path)
        assert again.holds("t", 0, OTHER_ID)
        assert values_of(open_log(again, topic_id=OTHER_ID)) == {0: b"kept"}
        assert read_partition_metadata(str(path / "t-0")) == OTHER_ID
        again.close(2)

    def test_a_name_can_be_used_again(self, path):
        directory = begun(path)
        log = open_log(directory)
        append(log, b"old")
        directory.discard(log, NOW_MS)
        assert not directory.holds("t", 0, TOPIC_ID)
        assert values_of(open_log(directory, topic_id=OTHER_ID)) == {}
        assert directory.holds("t", 0, OTHER_ID)
        delay_ms = LogConfig().file_delete_delay_ms
        assert directory.take_due_folders(NOW_MS + delay_ms - 1) == []
        [gone] = directory.take_due_folders(NOW_MS + delay_ms)
        assert re.search(r"t-0\.[0-9a-f]{32}-delete$", gone)
        directory.close(1)

    def test_what_a_deletion_left_goes_with_the_next_start(self, path):
        directory = begun(path)
        directory.discard(open_log(directory), NOW_MS)
        directory.unlock()
        assert any(name.endswith("-delete") for name in os.listdir(path))
        begun(path).unlock()
        assert not any(name.endswith("-delete") for name in os.listdir(path))

    def test_strays(self, path):
        directory = begun(path)
        for topic in ("t", "u"):
            open_log(directory, topic)
        open_log(directory, "__cluster_metadata")
        directory.set_aside_strays([TopicPartition("t", 0)])
        names = os.listdir(path)
        assert "t-0" in names
        assert "__cluster_metadata-0" in names
        assert "u-0" not in names
        assert not directory.holds("u", 0, TOPIC_ID)
        directory.unlock()

    def test_a_long_name_fits_when_it_is_set_aside(self, path):
        directory = begun(path)
        topic = "n" * 249
        directory.discard(open_log(directory, topic), NOW_MS)
        [name] = [name for name in os.listdir(path) if name.endswith("-delete")]
        assert len(name) == 255
        directory.unlock()


class TestBeforeAnythingIsChanged:
    def test_an_id_that_cannot_be_read(self, path):
        directory = begun(path)
        open_log(directory)
        directory.close(1)
        (path / "t-0" / "partition.metadata").write_text("version: 0\ntopic_id: ?\n")
        again = locked(path)
        with pytest.raises(LogDirectoryError, match=r"t-0/partition.metadata: .*; restore it from a copy, or remove"):
            again.check_folders()
        with pytest.raises(CorruptFile):
            again.holds("t", 0, TOPIC_ID)
        again.unlock()
        assert (path / ".kafka_cleanshutdown").exists()

    def test_a_file_with_the_name_of_a_folder(self, path):
        directory = begun(path)
        (path / "t-0").write_text("mine")
        directory.check_folders()
        directory.unlock()

    @pytest.mark.parametrize("name", ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint"])
    def test_checkpoints_that_cannot_be_read(self, path, name):
        begun(path).close(1)
        (path / name).write_text("7\n0\n")
        said = refused(path)
        assert said.startswith(f"{path / name}: has version 7, only 0 is known; restore it from a copy, or remove it: ")
