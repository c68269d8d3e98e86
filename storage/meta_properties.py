"""`meta.properties`: which cluster and which node a log directory belongs to, and its own id.

Version 1 is that of KRaft. The directory's id came with Kafka 3.7: a directory of before has none and gets one.
Kafka: `MetaProperties`, `MetaPropertiesEnsemble`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..protocol.errors import ProtocolError
from ..protocol.primitives import uuid_from_text, uuid_to_text
from .checkpoints import CorruptFile, read_properties, write_properties

if TYPE_CHECKING:
    from .files import Files

META_PROPERTIES: Final = "meta.properties"
_VERSION: Final = "1"
_ZOOKEEPER_VERSION: Final = "0"
_RESTORE: Final = "restore the file from a copy or name another directory"


class MetaProperties(NamedTuple):
    """What the file says; without a directory id it is None."""

    cluster_id: str
    node_id: int
    directory_id: bytes | None


def read_meta_properties(path: str) -> MetaProperties:
    """Read the file. FileNotFoundError; CorruptFile says what is wrong and the way out."""
    try:
        properties = read_properties(path)
    except CorruptFile as error:
        raise CorruptFile(path, f"{error.problem}; {_RESTORE}") from error
    _check_version(path, properties.get("version"))
    cluster_id, node_id = properties.get("cluster.id"), properties.get("node.id", "")
    if not cluster_id:
        raise CorruptFile(path, f"names no cluster.id; {_RESTORE}")
    if not node_id.isdecimal():
        raise CorruptFile(path, f"names no node.id that is a number; {_RESTORE}")
    return MetaProperties(cluster_id, int(node_id), _directory_id(path, properties.get("directory.id")))


def _check_version(path: str, version: str | None) -> None:
    if version == _VERSION:
        return
    if version == _ZOOKEEPER_VERSION:
        raise CorruptFile(
            path,
            "has version 0, of Kafka with ZooKeeper; let Kafka 3.9 migrate the cluster to KRaft, "
            "or name another directory",
        )
    if version is None:
        raise CorruptFile(path, f"names no version; {_RESTORE}")
    raise CorruptFile(
        path,
        f"has version {version}, only {_VERSION} is known; open the directory with what wrote it, or name another one",
    )


def _directory_id(path: str, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return uuid_from_text(text)
    except ProtocolError as error:
        raise CorruptFile(path, f"has a directory.id that cannot be read: {text}; {_RESTORE}") from error


def write_meta_properties(files: Files, path: str, cluster_id: str, node_id: int, directory_id: bytes) -> None:
    """Replace the file, through to the disk. Raises OSError."""
    properties = {
        "version": _VERSION,
        "cluster.id": cluster_id,
        "node.id": str(node_id),
        "directory.id": uuid_to_text(directory_id),
    }
    write_properties(files, path, properties)
