"""A disk that fails when it is told to, and that remembers all it was asked: `Files` for what kill -9 cannot do.

`FaultyFiles` does everything on the real file system, so that whoever uses it sees what is there, and writes a journal.
From the journal up to any call, `PowerLoss` makes the directory that a machine would find again which lost its power
right then: what was synced is there, of the rest nothing, or a part, as it is chosen. A file's bytes need an fsync of
the file, its name needs one of its directory.
A `Fault` makes one call fail, or all from one on.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ottla.storage.files import OsFiles

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from ottla.storage.files import Data

SECTOR_BYTES = 512


class Fault(NamedTuple):
    """What happens instead of a call: an error, for a pwrite after a part of its bytes, and for how many calls."""

    error: int = errno.EIO
    written_part: float = 0.0
    """Of a pwrite's bytes, how many reach the file before the error."""
    calls: int = 1
    operations: frozenset[str] | None = None
    """Only these fail; None: whatever is asked."""


FULL_DISK = Fault(errno.ENOSPC, 0.5, 1 << 60, frozenset({"pwrite", "create", "mkdir", "rename"}))
"""A file system without a free block: what needs one fails, and goes on failing."""


class Call(NamedTuple):
    """One call that changed the disk, or was to."""

    operation: str
    name: str


@dataclass(eq=False)
class _File:
    """A file apart from its names."""

    content: bytearray
    durable: bytes
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(position, data) of a write, (length, None) of a truncation."""

    def write(self, position: int, data: bytes) -> None:
        _write_into(self.content, position, data)
        self.unsynced.append((position, data))

    def cut(self, length: int) -> None:
        _cut(self.content, length)
        self.unsynced.append((length, None))

    def sync(self) -> None:
        if self.unsynced:
            self.durable = bytes(self.content)
            self.unsynced.clear()

    def copy(self) -> _File:
        """Another file with the same content, all of it on the disk."""
        return _File(bytearray(self.durable), self.durable)


@dataclass(eq=False)
class _Folder:
    """A directory: what stands in it now, and on the disk."""

    entries: dict[str, _File | _Folder]
    durable: dict[str, _File | _Folder]
    unsynced: list[tuple[str, str, _File | _Folder]] = field(default_factory=list)
    """(old name, new name, what is named): an empty old name for one that is new, an empty new one for one removed."""

    def change(self, old: str, new: str, node: _File | _Folder) -> None:
        _change(self.entries, old, new, node)
        self.unsynced.append((old, new, node))

    def sync(self) -> None:
        if self.unsynced:
            self.durable = dict(self.entries)
            self.unsynced.clear()

    def copy(self) -> _Folder:
        """Another folder with copies of what is in it on the disk."""
        entries = {name: node.copy() for name, node in self.durable.items()}
        return _Folder(entries, dict(entries))


_Node = _File | _Folder


class _Step(NamedTuple):
    """A line of the journal: what was done to which node (found again by its number)."""

    action: str
    node: int
    first: object = None
    second: object = None
    third: object = None


class FaultyFiles(OsFiles):
    """Implements `Files` on everything below `root`. Threads may share it."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._prefix = os.fspath(root)
        self.calls: list[Call] = []
        """All calls, those that failed too."""
        self.failed: list[Call] = []
        self._faults: dict[int, Fault] = {}
        self._running_fault: Fault | None = None
        self._fault_calls_left = 0
        self._lock = threading.RLock()
        self._journal: list[_Step] = []
        self._descriptors: dict[int, int] = {}
        self._start = _read_folder(self.root)
        self._tree = _Numbered(self._start.copy())

    # Faults

    def fail(self, at_call: int, fault: Fault) -> None:
        """Let the call with this number (the first is 0) fail."""
        self._faults[at_call] = fault

    def fail_from_now_on(self, fault: Fault) -> None:
        """Let the next call fail, and those after it as the fault says."""
        with self._lock:
            self._faults[len(self.calls)] = fault

    def heal(self) -> None:
        """Work again."""
        with self._lock:
            self._faults.clear()
            self._running_fault = None

    def _admit(self, operation: str, name: str) -> Fault | None:
        """Note a call; raise what it is to raise, but for a pwrite, whose fault is returned."""
        call = Call(operation, name)
        number = len(self.calls)
        self.calls.append(call)
        if number in self._faults:
            self._running_fault = self._faults[number]
            self._fault_calls_left = self._running_fault.calls
        fault = self._running_fault
        if fault is None or (fault.operations is not None and operation not in fault.operations):
            return None
        self._fault_calls_left -= 1
        if self._fault_calls_left == 0:
            self._running_fault = None
        self.failed.append(call)
        if operation == "pwrite":
            return fault
        raise OSError(fault.error, os.strerror(fault.error), name)

    # The calls

    def open(self, path: str, flags: int, mode: int = 0o644, /) -> int:
        if not self._is_below(path):
            return os.open(path, flags, mode)
        with self._lock:
            is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
            if is_new:
                self._admit("create", path)
            descriptor = os.open(path, flags, mode)
            folder, name = self._parent(path)
            if is_new:
                self._name(folder, name, _File(bytearray(), b""))
            number = self._tree.number_of(folder, name) if path != os.fspath(self.root) else 0
            self._descriptors[descriptor] = number
            node = self._tree.nodes[number]
            if flags & os.O_TRUNC and isinstance(node, _File) and node.content:
                self._do(_Step("cut", number, 0))
            return descriptor

    def pwrite(self, descriptor: int, data: Data, position: int, /) -> int:
        with self._lock:
            number = self._descriptors[descriptor]
            fault = self._admit("pwrite", self._tree.path_of(number))
            if fault is not None:
                data = memoryview(data)[: int(len(data) * fault.written_part)]
            written = os.pwrite(descriptor, data, position) if len(data) else 0
            self._do(_Step("write", number, position, bytes(data[:written])))
            if fault is not None and fault.error:
                raise OSError(fault.error, os.strerror(fault.error))
            return written

    def ftruncate(self, descriptor: int, length: int, /) -> None:
        with self._lock:
            number = self._descriptors[descriptor]
            self._admit("ftruncate", self._tree.path_of(number))
            os.ftruncate(descriptor, length)
            self._do(_Step("cut", number, length))

    def fsync(self, descriptor: int, /) -> None:
        with self._lock:
            number = self._descriptors[descriptor]
            self._admit("fsync", self._tree.path_of(number))
            self._do(_Step("sync", number))

    def rename(self, source: str, target: str, /) -> None:
        with self._lock:
            self._admit("rename", source)
            os.replace(source, target)
            folder, old = self._parent(source)
            other, new = self._parent(target)
            assert folder == other, f"{source} moves to another directory"
            self._do(_Step("change", folder, old, new, self._tree.number_of(folder, old)))

    def unlink(self, path: str, /) -> None:
        with self._lock:
            self._admit("unlink", path)
            os.unlink(path)
            self._forget(path)

    def mkdir(self, path: str, /) -> None:
        with self._lock:
            self._admit("mkdir", path)
            os.mkdir(path)
            folder, name = self._parent(path)
            self._name(folder, name, _Folder({}, {}))

    def rmdir(self, path: str, /) -> None:
        with self._lock:
            self._admit("rmdir", path)
            os.rmdir(path)
            self._forget(path)

    # The journal

    @property
    def steps(self) -> int:
        """How much was done so far: a moment at which the power may go."""
        return len(self._journal)

    def after_power_loss(self, target: Path, steps: int | None = None, loss: PowerLoss | None = None) -> None:
        """Make, in an empty directory, what is left if the power went after so many steps."""
        with self._lock:
            journal = self._journal[:steps]
        tree = _Numbered(self._start.copy())
        for step in journal:
            tree.do(step)
        (loss or PowerLoss()).write(tree.nodes[0], target)

    def _do(self, step: _Step) -> None:
        self._tree.do(step)
        self._journal.append(step)

    def _name(self, folder: int, name: str, node: _Node) -> None:
        kind = "file" if isinstance(node, _File) else "folder"
        self._do(_Step("new", folder, name, kind))

    def _forget(self, path: str) -> None:
        folder, name = self._parent(path)
        self._do(_Step("change", folder, name, "", self._tree.number_of(folder, name)))

    def _parent(self, path: str) -> tuple[int, str]:
        *folders, name = path[len(self._prefix) + 1 :].split(os.sep)
        number = 0
        for folder in folders:
            number = self._tree.number_of(number, folder)
        return number, name

    def _is_below(self, path: str) -> bool:
        return path == self._prefix or path.startswith(self._prefix + os.sep)


class _Numbered:
    """A tree whose nodes are found by number: the same steps give the same numbers."""

    def __init__(self, root: _Folder) -> None:
        self.nodes: list[_Node] = []
        self._names: list[str] = []
        self._numbers: dict[int, int] = {}
        self._take_in(root, "")

    def _take_in(self, node: _Node, name: str) -> None:
        self._numbers[id(node)] = len(self.nodes)
        self.nodes.append(node)
        self._names.append(name)
        if isinstance(node, _Folder):
            for entry in sorted(node.entries):
                self._take_in(node.entries[entry], entry)

    def number_of(self, folder: int, name: str) -> int:
        return self._numbers[id(self._folder(folder).entries[name])]

    def path_of(self, number: int) -> str:
        """What a node is called now, for people."""
        return self._names[number] or "(no name)"

    def do(self, step: _Step) -> None:
        node = self.nodes[step.node]
        if step.action == "new":
            made: _Node = _File(bytearray(), b"") if step.second == "file" else _Folder({}, {})
            self._take_in(made, str(step.first))
            self._folder(step.node).change("", str(step.first), made)
        elif step.action == "change":
            self._folder(step.node).change(str(step.first), str(step.second), self.nodes[step.third])
            self._names[step.third] = str(step.second)
        elif step.action == "sync":
            node.sync()
        elif step.action == "write":
            node.write(step.first, step.second)
        else:
            node.cut(step.first)

    def _folder(self, number: int) -> _Folder:
        folder = self.nodes[number]
        assert isinstance(folder, _Folder)
        return folder


def _read_folder(path: Path) -> _Folder:
    """What is there before the first call counts as being on the disk."""
    entries: dict[str, _Node] = {}
    for child in path.iterdir() if path.exists() else ():
        if child.is_dir():
            entries[child.name] = _read_folder(child)
        else:
            content = child.read_bytes()
            entries[child.name] = _File(bytearray(content), content)
    return _Folder(entries, dict(entries))


class PowerLoss:
    """Chooses what is left: here only what was synced."""

    def write(self, folder: _Folder, target: Path) -> None:
        """Make a folder as it is found again, in a directory that is there."""
        for name, node in sorted(self.names(folder).items()):
            path = target / name
            if isinstance(node, _Folder):
                path.mkdir()
                self.write(node, path)
            else:
                path.write_bytes(self.content(node))

    def names(self, folder: _Folder) -> dict[str, _Node]:
        """The names that are left."""
        return dict(folder.durable)

    def content(self, file: _File) -> bytes:
        """The bytes that are left."""
        return file.durable


class NothingLost(PowerLoss):
    """As after kill -9: the machine goes on, and with it everything that it was asked to do."""

    def names(self, folder: _Folder) -> dict[str, _Node]:
        return dict(folder.entries)

    def content(self, file: _File) -> bytes:
        return bytes(file.content)


class NamesWithoutBytes(PowerLoss):
    """The journal of the file system was written, the files were not: new names, old bytes."""

    def names(self, folder: _Folder) -> dict[str, _Node]:
        return dict(folder.entries)


class PartlyLost(PowerLoss):
    """Of each directory's changes a first part is left; of each file's writes any, some of them torn."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def names(self, folder: _Folder) -> dict[str, _Node]:
        entries = dict(folder.durable)
        for old, new, node in folder.unsynced[: self._chance.randint(0, len(folder.unsynced))]:
            _change(entries, old, new, node)
        return entries

    def content(self, file: _File) -> bytes:
        content = bytearray(file.durable)
        in_order = self._chance.random() < 0.5
        left = file.unsynced[: self._chance.randint(0, len(file.unsynced))] if in_order else file.unsynced
        for position, data in left:
            if not in_order and self._chance.random() < 0.3:
                continue
            if data is None:
                _cut(content, position)
            else:
                for at, piece in self._pieces(position, data):
                    _write_into(content, at, piece)
        return bytes(content)

    def _arrives_whole(self) -> bool:
        return self._chance.random() < 0.8

    def _pieces(self, position: int, data: bytes) -> Iterable[tuple[int, bytes]]:
        """The sectors of a write that reached the disk; nearly always all."""
        if self._arrives_whole():
            return [(position, data)]
        first = SECTOR_BYTES - position % SECTOR_BYTES
        starts = [0, *range(first, len(data), SECTOR_BYTES)]
        sectors = [(start, data[start:end]) for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
        return [(position + start, sector) for start, sector in sectors if self._chance.random() < 0.7]


def _write_into(content: bytearray, position: int, data: bytes) -> None:
    if position > len(content):
        content.extend(bytes(position - len(content)))
    content[position : position + len(data)] = data


def _cut(content: bytearray, length: int) -> None:
    if length < len(content):
        del content[length:]
    else:
        content.extend(bytes(length - len(content)))


def _change(entries: dict[str, _Node], old: str, new: str, node: _Node) -> None:
    if old and entries.get(old) is node:
        del entries[old]
    if new:
        entries[new] = node
