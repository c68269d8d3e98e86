"""Who a data directory belongs to, and in which state its last broker left it."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ...storage.checkpoints import CorruptFile, read_properties
from ...storage.directory_lock import LOCK_FILE
from ...storage.log_directory import CLEAN_SHUTDOWN
from ...storage.meta_properties import META_PROPERTIES

if TYPE_CHECKING:
    from .listing import Listing

# struct flock: (type, whence, start, length, pid) on Linux; BSD and macOS put the numbers in another order.
_LINUX_FLOCK: Final = struct.Struct("hhqqi")
_BSD_FLOCK: Final = struct.Struct("qqihh")


class State(StrEnum):
    """How the directory stands."""

    LIVE = "live"
    CLEAN = "clean stop"
    UNCLEAN = "unclean stop"
    UNUSED = "never used"


@dataclass(frozen=True, slots=True)
class Identity:
    """What `meta.properties` says (texts as they stand there, None where they are missing), and the state."""

    path: str
    state: State
    locked_by_pid: int | None
    version: str | None
    cluster_id: str | None
    node_id: str | None
    directory_id: str | None
    problem: str | None


def read_identity(listing: Listing) -> Identity:
    """Read it; what cannot be read is in `problem`."""
    pid = lock_holder(os.path.join(listing.path, LOCK_FILE))
    properties: dict[str, str] = {}
    problem = None
    try:
        properties = read_properties(os.path.join(listing.path, META_PROPERTIES))
    except CorruptFile as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    return Identity(
        path=listing.path,
        state=_state(listing, is_locked=pid is not None),
        locked_by_pid=pid,
        version=properties.get("version"),
        cluster_id=properties.get("cluster.id"),
        node_id=properties.get("node.id") or properties.get("broker.id"),
        directory_id=properties.get("directory.id"),
        problem=problem,
    )


def _state(listing: Listing, *, is_locked: bool) -> State:
    if is_locked:
        return State.LIVE
    if CLEAN_SHUTDOWN in listing.sizes:
        return State.CLEAN
    return State.UNCLEAN if listing.partitions else State.UNUSED


def lock_holder(path: str) -> int | None:
    """The process that holds the lock, None when nobody does (0: one that cannot be named).

    The lock is asked for, never taken. Not to be called within a broker's own process: closing the file would let go
    of that process's lock.
    """
    layout, place = (_LINUX_FLOCK, 4) if sys.platform == "linux" else (_BSD_FLOCK, 2)
    fields = [0, 0, 0, 0, 0]
    fields[0 if sys.platform == "linux" else 3] = fcntl.F_WRLCK
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        answer = layout.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, layout.pack(*fields)))
    finally:
        os.close(descriptor)
    kind: int = answer[0 if sys.platform == "linux" else 3]
    return None if kind == fcntl.F_UNLCK else max(int(answer[place]), 0)
