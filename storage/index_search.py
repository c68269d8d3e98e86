"""Look-ups in an index file as it lies on the disk: a segment that is not written any more keeps no index in memory.

Entries have a fixed size and their first fields ascend, so a dozen small reads find one, and the page cache has them
near. Zeros behind the entries of a file that was preallocated (as Kafka does) are no entries.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .offset_index import CorruptIndex

if TYPE_CHECKING:
    import struct


def last_entry_at_most(path: str, entry: struct.Struct, key: int) -> tuple[int, int] | None:
    """The last entry whose first field is not above `key`; None when there is none.

    Raises FileNotFoundError, CorruptIndex.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _search(descriptor, entry, _count(descriptor, path, entry), key)
    finally:
        os.close(descriptor)


def last_entry(path: str, entry: struct.Struct) -> tuple[int, int] | None:
    """The last entry; None when there is none.

    Raises FileNotFoundError, CorruptIndex: also when the one before it is not smaller in both fields.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        count = _count(descriptor, path, entry)
        if count > 1 and not any(_at(descriptor, entry, count - 1)):
            count = _used(descriptor, entry, count)
        if not count:
            return None
        last = _at(descriptor, entry, count - 1)
        if count > 1:
            before = _at(descriptor, entry, count - 2)
            if before[0] >= last[0] or before[1] >= last[1]:
                raise CorruptIndex(f"{path}: its last entries do not ascend")
        return last
    finally:
        os.close(descriptor)


def _count(descriptor: int, path: str, entry: struct.Struct) -> int:
    """How many entries the file has room for."""
    size_bytes = os.fstat(descriptor).st_size
    count, rest = divmod(size_bytes, entry.size)
    if rest:
        raise CorruptIndex(f"{path}: {size_bytes} bytes are not whole entries of {entry.size}")
    return count


def _at(descriptor: int, entry: struct.Struct, number: int) -> tuple[int, int]:
    first, second = entry.unpack(os.pread(descriptor, entry.size, number * entry.size))
    return first, second


def _search(descriptor: int, entry: struct.Struct, count: int, key: int) -> tuple[int, int] | None:
    low, high = 0, count
    found = None
    while low < high:
        middle = (low + high) // 2
        candidate = _at(descriptor, entry, middle)
        if candidate[0] > key or (middle and not any(candidate)):
            high = middle
        else:
            low, found = middle + 1, candidate
    return found


def _used(descriptor: int, entry: struct.Struct, count: int) -> int:
    """How many entries come before the zeros at the end of a preallocated file."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if any(_at(descriptor, entry, middle)):
            low = middle + 1
        else:
            high = middle
    return low
