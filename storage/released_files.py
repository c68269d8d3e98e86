"""Files that a log has given up: renamed to `.deleted` at once, removed after `file.delete.delay.ms`.

Both in the background. After a crash the next opening of the log removes what is left of them.
Kafka: `LocalLog.deleteSegmentFiles`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from .files import remove_if_present, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from .environment import StorageEnvironment
    from .files import Files

DELETED_SUFFIX: Final = ".deleted"


class ReleasedFiles:
    """What waits for its removal."""

    __slots__ = ("_due", "_environment", "_failed")

    def __init__(self, environment: StorageEnvironment, failed: Callable[[Exception], None]) -> None:
        self._environment = environment
        self._failed = failed
        # (when, path), oldest first.
        self._due: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    def release(self, paths: list[str], due_ms: int) -> None:
        """Rename files, those that are there, and remove them at `due_ms`."""
        self._environment.background.run(
            partial(mark_deleted, self._environment.files, paths), partial(self.add_marked, due_ms), self._failed
        )

    def add_marked(self, due_ms: int, paths: list[str]) -> None:
        """Remove files that are renamed already at `due_ms`."""
        self._due += [(due_ms, path) for path in paths]

    def add_synced(self, directory: str, paths: list[str], due_ms: int) -> None:
        """Remove files at `due_ms`, and never before the folder is on the disk: what replaced them lies in it."""
        files = self._environment.files
        self._environment.background.run(
            partial(sync_directory, files, directory), lambda _: self.add_marked(due_ms, paths), self._failed
        )

    def remove_due(self, now_ms: int) -> int:
        """Remove what is due; return how many files."""
        due = [path for due_ms, path in self._due if due_ms <= now_ms]
        if due:
            self._due = [entry for entry in self._due if entry[0] > now_ms]
            self._environment.background.run(partial(_remove, self._environment.files, due), _removed, self._failed)
        return len(due)


def mark_deleted(files: Files, paths: list[str]) -> list[str]:
    """Rename files to `.deleted`, those that are there; return the new names. Raises OSError."""
    marked = []
    for path in paths:
        try:
            files.rename(path, path + DELETED_SUFFIX)
        except FileNotFoundError:
            continue
        marked.append(path + DELETED_SUFFIX)
    return marked


def _remove(files: Files, paths: list[str]) -> None:
    for path in paths:
        remove_if_present(files, path)


def _removed(_: None) -> None:
    """Nobody waits for it."""
