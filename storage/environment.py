"""What all logs of a broker share, made once by whoever wires the broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .background import INLINE
from .files import OS_FILES, Descriptors

if TYPE_CHECKING:
    from .background import Background
    from .files import Files


@dataclass(frozen=True, slots=True)
class StorageEnvironment:
    """The file system, the open files, who does long disk work, and how long silent producers are remembered.

    The last is `producer.id.expiration.ms`.
    """

    files: Files = OS_FILES
    descriptors: Descriptors = field(default_factory=Descriptors)
    background: Background = INLINE
    producer_id_expiration_ms: int = 86_400_000
