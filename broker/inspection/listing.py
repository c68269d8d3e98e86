"""The files and folders of a data directory, by what their names say they are."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ...storage.segment import LOG_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

METADATA_TOPIC: Final = "__cluster_metadata"

_PARTITION: Final = re.compile(r"(?P<topic>.+)-(?P<partition>\d+)")
_SET_ASIDE: Final = re.compile(r".+-\d+\.[0-9a-f]{32}-(?P<why>delete|stray|future)")
_LEFT_OVER_SUFFIXES: Final = (".deleted", ".swap", ".cleaned", ".tmp", ".part")
_SET_ASIDE_AS: Final = {
    "delete": "a deleted partition; a start removes it",
    "stray": "set aside, because the metadata did not have it",
    "future": "the copy of a partition on its way to this directory",
}


class NotADataDirectory(Exception):
    """A path that no broker has used as its log directory; the message says why."""


@dataclass(frozen=True, slots=True)
class PartitionFolder:
    """A folder TOPIC-PARTITION; `sizes` are those of its files, by name."""

    path: str
    topic: str
    partition: int
    sizes: Mapping[str, int]

    @property
    def name(self) -> str:
        """TOPIC-PARTITION."""
        return f"{self.topic}-{self.partition}"

    @property
    def segment_base_offsets(self) -> list[int]:
        """Where each segment begins, ascending."""
        return sorted(int(n[:20]) for n in self.sizes if n[20:] == LOG_SUFFIX and n[:20].isdecimal())

    @property
    def size_bytes(self) -> int:
        """The bytes of all segments, as Kafka counts a partition's size."""
        return sum(self.sizes[f"{base:020d}{LOG_SUFFIX}"] for base in self.segment_base_offsets)

    def file(self, base_offset: int, suffix: str) -> str:
        """The path of one of a segment's files."""
        return os.path.join(self.path, f"{base_offset:020d}{suffix}")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or folder that an earlier duty left behind, or that is not a broker's; `files` are those in a folder."""

    path: str
    size_bytes: int
    what: str
    files: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A data directory: its own files with their sizes, its partitions by name, and what is left over."""

    path: str
    sizes: Mapping[str, int]
    partitions: list[PartitionFolder]
    leftovers: list[Leftover]
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """(path, why) of folders that cannot be listed."""

    def partition(self, topic: str, partition: int) -> PartitionFolder | None:
        """The folder of a partition."""
        wanted = (f for f in self.partitions if (f.topic, f.partition) == (topic, partition))
        return next(wanted, None)


def listed_again(folder: PartitionFolder) -> PartitionFolder | None:
    """The folder as it is now; None when it is gone. Raises OSError."""
    try:
        with os.scandir(folder.path) as entries:
            sizes = {entry.name: _size(entry) for entry in entries}
    except FileNotFoundError:
        return None
    return PartitionFolder(folder.path, folder.topic, folder.partition, sizes)


def by_folder(listing: Listing) -> list[Leftover]:
    """One entry for all that is left over in a folder for the same reason."""
    found: dict[tuple[str, str], list[Leftover]] = {}
    for left in listing.leftovers:
        folder = os.path.dirname(left.path)
        found.setdefault((left.path if folder == listing.path else folder, left.what), []).append(left)
    return [
        Leftover(path, sum(left.size_bytes for left in group), what, sum(left.files for left in group))
        for (path, what), group in found.items()
    ]


def list_directory(path: str) -> Listing:
    """List a data directory. NotADataDirectory when it is none; OSError when it cannot be listed."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotADataDirectory(f"{path}: {error.strerror}") from error
    listing = Listing(os.path.abspath(path), {}, [], [])
    sizes: dict[str, int] = {}
    for entry in entries:
        if entry.is_dir():
            _take_folder(listing, entry.name)
        else:
            sizes[entry.name] = _size(entry)
    listing.partitions.sort(key=lambda folder: (folder.topic, folder.partition))
    if "meta.properties" not in sizes and not listing.partitions:
        raise NotADataDirectory(f"{path} is no broker's data directory: there is no meta.properties and no partition")
    for name in sizes:
        if name.endswith(_LEFT_OVER_SUFFIXES):
            listing.leftovers.append(Leftover(os.path.join(listing.path, name), sizes[name], _what(name)))
    return Listing(listing.path, sizes, listing.partitions, listing.leftovers, listing.unreadable)


def _take_folder(listing: Listing, name: str) -> None:
    path = os.path.join(listing.path, name)
    try:
        with os.scandir(path) as entries:
            sizes = {entry.name: _size(entry) for entry in entries}
    except FileNotFoundError:
        return  # a running broker has just removed it
    except OSError as error:
        listing.unreadable.append((path, error.strerror or str(error)))
        return
    set_aside = _SET_ASIDE.fullmatch(name)
    match = _PARTITION.fullmatch(name)
    if set_aside is not None:
        listing.leftovers.append(Leftover(path, sum(sizes.values()), _SET_ASIDE_AS[set_aside["why"]], len(sizes)))
    elif match is None:
        listing.leftovers.append(Leftover(path, sum(sizes.values()), "not a folder of a broker", len(sizes)))
    else:
        listing.partitions.append(PartitionFolder(path, match["topic"], int(match["partition"]), sizes))
        listing.leftovers.extend(
            Leftover(os.path.join(path, file), size, _what(file))
            for file, size in sorted(sizes.items())
            if file.endswith(_LEFT_OVER_SUFFIXES)
        )


def _what(name: str) -> str:
    if name.endswith(".swap"):
        return "a finished compaction; a start puts it in place"
    if name.endswith(".cleaned"):
        return "an unfinished compaction; a start removes it"
    if name.endswith(".deleted"):
        return "given up; it is removed after file.delete.delay.ms or at a start"
    return "a file that was being written; its place was never taken"


def _size(entry: os.DirEntry[str]) -> int:
    """A file may go away while a live directory is listed."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0
