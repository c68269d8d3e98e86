"""What `verify` finds: one entry a problem, naming the file and the place."""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.errors import ProtocolError
from ...storage.checkpoints import CorruptFile

if TYPE_CHECKING:
    from collections.abc import Iterator

_PER_FILE_MAX: Final = 20


class Severity(StrEnum):
    """`ERROR` is damage; a `NOTE` is what the next start puts right without loss, or what merely lies around."""

    ERROR = "error"
    NOTE = "note"


class Finding(NamedTuple):
    """`file` is relative to the directory, `position` a byte in it where there is one."""

    severity: Severity
    file: str
    position: int | None
    problem: str

    def __str__(self) -> str:
        where = "" if self.position is None else f" position {self.position}:"
        return f"{self.severity}: {self.file}:{where} {self.problem}"


class Findings:
    """All findings of a run, in the order in which they were made; of one file only so many are kept."""

    def __init__(self, directory: str, *, is_live: bool = False) -> None:
        self.found: list[Finding] = []
        self.errors = 0
        self.notes = 0
        self._directory = directory
        self._is_live = is_live
        self._by_file: dict[str, int] = {}

    def error(self, path: str, problem: str, position: int | None = None) -> None:
        """Damage."""
        self.add(Severity.ERROR, path, problem, position)

    def note(self, path: str, problem: str, position: int | None = None) -> None:
        """Nothing that is lost."""
        self.add(Severity.NOTE, path, problem, position)

    def unreadable(self, path: str, error: OSError) -> None:
        """A file that cannot be read; a broker that runs may have removed it since the directory was listed."""
        if not (self._is_live and isinstance(error, FileNotFoundError)):
            self.error(path, error.strerror or str(error))

    @contextlib.contextmanager
    def of(self, path: str) -> Iterator[None]:
        """Read the file at `path` within this: what it does not hold, or does not let be read, becomes a finding."""
        try:
            yield
        except CorruptFile as error:
            self.error(path, error.problem)
        except ProtocolError as error:
            self.error(path, str(error))
        except OSError as error:
            self.unreadable(path, error)

    def add(self, severity: Severity, path: str, problem: str, position: int | None = None) -> None:
        """Take in a finding about the file at `path`."""
        file = os.path.relpath(path, self._directory)
        self.errors += severity is Severity.ERROR
        self.notes += severity is Severity.NOTE
        count = self._by_file[file] = self._by_file.get(file, 0) + 1
        if count <= _PER_FILE_MAX:
            self.found.append(Finding(severity, file, position, problem))

    def take(self, other: Findings) -> None:
        """Take in all findings of another, about other files of the same directory."""
        self.found += other.found
        self.errors += other.errors
        self.notes += other.notes
        self._by_file |= other._by_file

    def not_shown(self) -> dict[str, int]:
        """By file, how many findings were only counted."""
        return {file: count - _PER_FILE_MAX for file, count in self._by_file.items() if count > _PER_FILE_MAX}
