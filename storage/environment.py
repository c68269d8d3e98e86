"""What all logs of a broker share, made once by whoever wires the broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .files import OS_FILES, Descriptors

if TYPE_CHECKING:
    from .files import Files


@dataclass(frozen=True, slots=True)
class StorageEnvironment:
    """The file system, the open files, and how long silent producers are remembered (producer.id.expiration.ms)."""

    files: Files = OS_FILES
    descriptors: Descriptors = field(default_factory=Descriptors)
    producer_id_expiration_ms: int = 86_400_000
