"""Batches of a file that is only read: whole ones, headers alone, and where they end."""

from __future__ import annotations

import os

import pytest
from ottla.protocol.record_batch import CorruptBatch
from ottla.protocol.records import Record, build_batch
from ottla.storage import batch_reader
from ottla.storage.batch_reader import BatchReader

# Smaller and larger than the pieces in which a file is read.
SIZES = [10, 9000, 20, 70_000, 30, (1 << 20) + 5, 40]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "00000000000000000000.log"
    parts = [build_batch([Record(i, 0, None, b"v" * size)], base_offset=i) for i, size in enumerate(SIZES)]
    path.write_bytes(b"".join(parts))
    return path


def test_batches_and_headers_are_the_same(path):
    with BatchReader(str(path)) as reader:
        whole = [(position, header) for position, data, header in reader.batches() if len(data) == header.size_bytes]
        assert whole == list(reader.headers())
        assert [header.base_offset for _, header in whole] == list(range(len(SIZES)))
        middle = whole[3][0]
        assert [position for position, _ in reader.headers(middle)] == [position for position, _ in whole[3:]]
        assert list(reader.batches(reader.size)) == []


def test_data_is_the_files(path):
    content = path.read_bytes()
    with BatchReader(str(path)) as reader:
        assert b"".join(bytes(data) for _, data, _ in reader.batches()) == content


def test_headers_alone_do_not_read_the_records(path, monkeypatch):
    read = 0
    pread = os.pread

    def counted(descriptor, length, position):
        nonlocal read
        data = pread(descriptor, length, position)
        read += len(data)
        return data

    monkeypatch.setattr(batch_reader.os, "pread", counted)
    with BatchReader(str(path)) as reader:
        assert len(list(reader.headers())) == len(SIZES)
    assert read < 60_000


@pytest.mark.parametrize("kind", ["batches", "headers"])
def test_a_torn_end(path, kind):
    path.write_bytes(path.read_bytes()[:-3])
    found = []
    with BatchReader(str(path)) as reader, pytest.raises(CorruptBatch, match=r"claims \d+ bytes, \d+ are there"):
        found.extend(piece[0] for piece in getattr(reader, kind)())
    assert len(found) == len(SIZES) - 1


def test_what_is_written_later_is_not_seen(path):
    with BatchReader(str(path)) as reader:
        with path.open("ab") as file:
            file.write(build_batch([Record(99, 0, None, b"late")], base_offset=99))
        assert len(list(reader.headers())) == len(SIZES)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        BatchReader(str(tmp_path / "x.log"))
    assert os.listdir(tmp_path) == []
