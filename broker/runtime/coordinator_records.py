"""The records of one batch of an internal topic, decoded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from ...protocol.errors import ProtocolError
from ...protocol.records import read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...protocol.record_batch import BatchHeader

R = TypeVar("R")

logger = logging.getLogger(__name__)


def decoded_records(
    batch: memoryview, header: BatchHeader, decode: Callable[[bytes, bytes | None], R | None], log_name: str
) -> Iterator[tuple[int, R]]:
    """Yield (offset, record) for each that `decode` knows; one that cannot be read is passed over with a line."""
    for record in read_records(batch, 0, header):
        if record.key is None:
            continue
        try:
            decoded = decode(record.key, record.value)
        except ProtocolError as error:
            logger.error("%s: the record at %d is passed over: %s", log_name, record.offset, error)
            continue
        if decoded is not None:
            yield record.offset, decoded
