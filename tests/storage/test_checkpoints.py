"""Kafka's small text files: what is written reads back, and what is broken is named."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.checkpoints import (
    CorruptFile,
    TopicPartition,
    read_checkpoint,
    read_epochs,
    read_offsets,
    read_partition_metadata,
    read_properties,
    write_epochs,
    write_offsets,
    write_partition_metadata,
    write_properties,
)
from ottla.storage.files import OS_FILES

TOPIC_ID = bytes(range(16))

topics = st.from_regex(r"[a-zA-Z0-9._-]{1,30}", fullmatch=True)
offsets = st.dictionaries(st.tuples(topics, st.integers(0, 2**31 - 1)), st.integers(0, 2**63 - 1), max_size=5)


@given(offsets)
def test_offsets_are_read_as_written(tmp_path_factory, offsets):
    path = str(tmp_path_factory.getbasetemp() / "offsets")
    written = {TopicPartition(*key): offset for key, offset in offsets.items()}
    write_offsets(OS_FILES, path, written)
    assert read_offsets(path) == written


def test_the_layout_is_kafkas(tmp_path):
    path = tmp_path / "recovery-point-offset-checkpoint"
    write_offsets(OS_FILES, str(path), {TopicPartition("orders", 3): 17, TopicPartition("a-b", 0): 0})
    assert path.read_text() == "0\n2\norders 3 17\na-b 0 0\n"


def test_epochs_are_read_as_written(tmp_path):
    path = str(tmp_path / "epochs")
    write_epochs(OS_FILES, path, [(1, 0), (5, 99)])
    assert read_epochs(path) == [(1, 0), (5, 99)]


@pytest.mark.parametrize("content", [None, b""])
def test_no_file_and_an_empty_one_have_no_entries(tmp_path, content):
    path = tmp_path / "checkpoint"
    if content is not None:
        path.write_bytes(content)
    assert read_checkpoint(str(path)) == []
    assert read_offsets(str(path)) == {}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"0\n", "does not begin with a version and a number of entries"),
        (b"zero\n1\n", "does not begin with a version and a number of entries"),
        (b"0\n-1\n", "does not begin with a version and a number of entries"),
        (b"1\n0\n", "has version 1, only 0 is known"),
        (b"0\n2\na 0 1\n", "announces 2 entries and holds 1"),
        (b"0\n0\na 0 1\n", "announces 0 entries and holds 1"),
        (b"\xff\xfe\n", "is not text"),
        (b"0\n1\na 0\n", "the line 'a 0' is not a topic, a partition and an offset"),
        (b"0\n1\na 0 x\n", "the line 'a 0 x' is not a topic, a partition and an offset"),
        (b"0\n1\na 0 1 2\n", "the line 'a 0 1 2' is not a topic, a partition and an offset"),
    ],
)
def test_a_broken_checkpoint_is_named_with_its_fault(tmp_path, content, named):
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    with pytest.raises(CorruptFile, match=re.escape(f"{path}: {named}")):
        read_offsets(str(path))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for reader in (read_offsets, read_epochs, read_properties):
        with contextlib.suppress(CorruptFile):
            reader(str(path))


class TestPartitionMetadata:
    def test_it_is_kafkas_text(self, tmp_path):
        write_partition_metadata(OS_FILES, str(tmp_path), TOPIC_ID)
        assert (tmp_path / "partition.metadata").read_text() == "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"
        assert read_partition_metadata(str(tmp_path)) == TOPIC_ID

    def test_a_folder_without_one_has_no_id(self, tmp_path):
        assert read_partition_metadata(str(tmp_path)) is None

    def test_one_whose_bytes_were_lost_with_the_power_is_none(self, tmp_path):
        (tmp_path / "partition.metadata").write_bytes(bytes(42))
        assert read_partition_metadata(str(tmp_path)) is None

    @pytest.mark.parametrize(
        "content", ["version: 1\ntopic_id: AAECAwQFBgcICQoLDA0ODw", "version: 0", "version: 0\ntopic_id: ???", "what"]
    )
    def test_a_broken_one_is_refused(self, tmp_path, content):
        (tmp_path / "partition.metadata").write_text(content)
        with pytest.raises(CorruptFile, match=r"partition\.metadata"):
            read_partition_metadata(str(tmp_path))


class TestProperties:
    def test_they_are_read_as_written(self, tmp_path):
        path = str(tmp_path / "meta.properties")
        properties = {"version": "1", "cluster.id": "MkU3OEVBNTcwNTJENDM2Qg", "node.id": "1"}
        write_properties(OS_FILES, path, properties)
        assert read_properties(path) == properties

    def test_comments_spaces_and_javas_escapes_are_understood(self, tmp_path):
        path = tmp_path / "meta.properties"
        path.write_text("#\n#Mon Jan 01\n! also\n\n directory.id = a\\:b\\=c \nempty=\n")
        assert read_properties(str(path)) == {"directory.id": "a:b=c", "empty": ""}

    def test_a_line_without_a_value_is_refused(self, tmp_path):
        path = tmp_path / "meta.properties"
        path.write_text("version=1\nwhat\n")
        with pytest.raises(CorruptFile, match="the line 'what' is not KEY=VALUE"):
            read_properties(str(path))

    def test_none_there_is_said(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            read_properties(str(tmp_path / "meta.properties"))
