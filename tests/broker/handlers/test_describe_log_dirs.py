"""DescribeLogDirs on real logs; what is told and what is left out was asked of Kafka 4.3.1."""

from __future__ import annotations

import os

import pytest
from ottla.broker.handlers import describe_log_dirs
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest

from ..data_broker import DataBroker, batch


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path, f"log.dirs={tmp_path}")
    broker.create("t", 2)
    broker.create("u")
    broker.produce("t", batch(), partition=1)
    return broker


def ask(broker, topics, version=5):
    if topics is not None:
        topics = [DescribableLogDirTopic(topic=name, partitions=partitions) for name, partitions in topics]
    return broker.ask(describe_log_dirs, DescribeLogDirsRequest(topics=topics), version)


def told(response):
    [directory] = response.results
    return {
        (topic.name, partition.partition_index): partition.partition_size
        for topic in directory.topics
        for partition in topic.partitions
    }


@pytest.mark.parametrize("version", range(1, 6))
def test_every_version_tells_sizes(broker, version):
    response = ask(broker, None, version)
    [directory] = response.results
    assert (response.error_code, directory.error_code, directory.log_dir) == (0, 0, str(broker.folder))
    assert told(response) == {("t", 0): 0, ("t", 1): len(batch()), ("u", 0): 0}
    assert not directory.is_cordoned
    if version < 4:
        assert (directory.total_bytes, directory.usable_bytes) == (-1, -1)
    else:
        assert 0 < directory.usable_bytes <= directory.total_bytes


def test_only_what_is_asked_for_and_there_is_told(broker):
    assert told(ask(broker, [])) == {}
    assert told(ask(broker, [("t", [])])) == {}
    assert told(ask(broker, [("t", [0, 7, 0, -1]), ("no", [0]), ("__cluster_metadata", [0])])) == {("t", 0): 0}
    assert told(ask(broker, [("t", [0]), ("t", [1])])) == {("t", 0): 0, ("t", 1): len(batch())}


def test_a_partition_off_line_is_left_out(broker):
    broker.partitions.get("t", 0).take_offline("the disk is gone")
    assert told(ask(broker, None)) == {("t", 1): len(batch()), ("u", 0): 0}


def test_a_directory_that_cannot_be_asked_says_so(broker, monkeypatch):
    def fail(path):
        raise OSError("Input/output error")

    monkeypatch.setattr(os, "statvfs", fail)
    [directory] = ask(broker, None).results
    assert directory.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert directory.topics == []
