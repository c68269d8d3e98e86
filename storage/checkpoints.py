"""Kafka's small text files: offset checkpoints, leader epochs, `partition.metadata`, `meta.properties`.

A checkpoint is three parts, each a line: version, number of entries, the entries. It is replaced whole, so a reader
never sees half of one. Kafka: `CheckpointFile`, `OffsetCheckpointFile`, `LeaderEpochCheckpointFile`,
`PartitionMetadataFile`, `PropertiesUtils`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ..protocol.primitives import uuid_from_text, uuid_to_text
from .files import Files, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERSION = 0
PARTITION_METADATA = "partition.metadata"
_READ_BYTES = 1 << 14


class CorruptFile(Exception):
    """A file of the data directory that does not hold what its name says; the message names it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class TopicPartition(NamedTuple):
    """A partition by name."""

    topic: str
    partition: int


def read_file(path: str) -> bytes:
    """All of a small file, by as few calls as can be: a start reads some for each partition. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = [os.read(descriptor, _READ_BYTES)]
        while len(pieces[-1]) == _READ_BYTES:
            pieces.append(os.read(descriptor, _READ_BYTES))
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def write_checkpoint(files: Files, path: str, entries: list[str], *, sync: bool) -> None:
    """Replace a checkpoint file."""
    lines = [str(VERSION), str(len(entries)), *entries, ""]
    write_file(files, path, "\n".join(lines).encode(), sync=sync)


def read_checkpoint(path: str) -> list[str]:
    """The entries of a checkpoint; a file that is not there, or empty as Kafka creates it, has none.

    Raises CorruptFile when version, count or number of lines are wrong.
    """
    lines = _read_lines(path)
    if not lines:
        return []
    if len(lines) < 2 or not lines[0].isdecimal() or not lines[1].isdecimal():
        raise CorruptFile(path, "does not begin with a version and a number of entries")
    if int(lines[0]) != VERSION:
        raise CorruptFile(path, f"has version {lines[0]}, only {VERSION} is known")
    if len(lines) - 2 != int(lines[1]):
        raise CorruptFile(path, f"announces {lines[1]} entries and holds {len(lines) - 2}")
    return lines[2:]


def _read_lines(path: str) -> list[str]:
    try:
        return read_file(path).decode().splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise CorruptFile(path, "is not text") from error


def write_offsets(files: Files, path: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Write `topic partition offset` lines: the form of all three offset checkpoints."""
    lines = [f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items()]
    write_checkpoint(files, path, lines, sync=True)


def read_offsets(path: str) -> dict[TopicPartition, int]:
    """Read an offset checkpoint. Raises CorruptFile."""
    offsets = {}
    for line in read_checkpoint(path):
        try:
            topic, partition, offset = line.split(" ")
            offsets[TopicPartition(topic, int(partition))] = int(offset)
        except ValueError:
            raise CorruptFile(path, f"the line {line!r} is not a topic, a partition and an offset") from None
    return offsets


def write_epochs(files: Files, path: str, epochs: Iterable[tuple[int, int]]) -> None:
    """Write `epoch start_offset` lines.

    Not synced: recovery finds the epochs again in the batches themselves.
    """
    write_checkpoint(files, path, [f"{epoch} {start}" for epoch, start in epochs], sync=False)


def read_epochs(path: str) -> list[tuple[int, int]]:
    """Read `leader-epoch-checkpoint`. Raises CorruptFile."""
    epochs = []
    for line in read_checkpoint(path):
        try:
            epoch, start = line.split(" ")
            epochs.append((int(epoch), int(start)))
        except ValueError:
            raise CorruptFile(path, f"the line {line!r} is not an epoch and an offset") from None
    return epochs


def write_partition_metadata(files: Files, directory: str, topic_id: bytes) -> None:
    """Write `partition.metadata`. The log's first sync brings it to the disk with the folder."""
    text = f"version: 0\ntopic_id: {uuid_to_text(topic_id)}"
    write_file(files, os.path.join(directory, PARTITION_METADATA), text.encode(), sync=False)


def read_partition_metadata(directory: str) -> bytes | None:
    """The topic id of a partition's folder; None where there is no such file. Raises CorruptFile.

    Power may fail before the file's bytes are on the disk, and after its length is: then it holds nothing but zeros.
    """
    path = os.path.join(directory, PARTITION_METADATA)
    lines = _read_lines(path)
    if not "".join(lines).strip("\0"):
        return None
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    if fields.get("version") != "0":
        raise CorruptFile(path, f"has version {fields.get('version')!r}, only 0 is known")
    try:
        return uuid_from_text(fields["topic_id"])
    except (KeyError, ValueError):
        raise CorruptFile(path, f"has no topic id that can be read: {fields.get('topic_id')!r}") from None


def write_properties(files: Files, path: str, properties: Mapping[str, str]) -> None:
    """Write a Java properties file of plain keys and values."""
    text = "#\n" + "".join(f"{key}={value}\n" for key, value in properties.items())
    write_file(files, path, text.encode(), sync=True)


def read_properties(path: str) -> dict[str, str]:
    """Read a Java properties file of plain keys and values. Raises CorruptFile, FileNotFoundError."""
    properties = {}
    with open(path, "rb") as file:
        content = file.read()
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise CorruptFile(path, "is not text") from error
    for line in map(str.strip, lines):
        if not line or line[0] in "#!":
            continue
        key, separator, value = line.partition("=")
        if not separator:
            raise CorruptFile(path, f"the line {line!r} is not KEY=VALUE")
        properties[key.strip()] = value.strip().replace("\\:", ":").replace("\\=", "=")
    return properties
