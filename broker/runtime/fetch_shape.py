"""The bytes of a fetch's answer that tells the records of one partition and nothing else.

Only three offsets and the records differ from one such answer to the next: what stands around them is encoded once for
a partition, a version and a kind of reader. That leaves 1 µs of the 4 in which a record was put into an answer and this
was encoded.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ...protocol.compiler import encode
from ...protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from ...protocol.primitives import uvarint

if TYPE_CHECKING:
    from ..coordinators.session_partitions import CachedPartition

LOWEST_VERSION: Final = FetchResponse.flexible.lowest
"""Of those below, each has the offsets elsewhere."""

_OFFSETS: Final = struct.Struct(">qqq")
_PROBE: Final = (0x0123456789ABCDEF, 0x123456789ABCDEF0, 0x23456789ABCDEF01)
_RECORDS_PROBE: Final = bytes(range(16))


class FetchShape:
    """What is the same in all such answers of one version to readers of one partition."""

    __slots__ = ("_after_offsets", "_before_offsets", "_end")

    def __init__(self, wanted: CachedPartition, version: int, *, is_committed: bool) -> None:
        """`is_committed` readers are told of aborted transactions, which are none here."""
        offset, stable_offset, start_offset = _PROBE
        probe = PartitionData(
            partition_index=wanted.partition,
            high_watermark=offset,
            last_stable_offset=stable_offset,
            log_start_offset=start_offset,
            aborted_transactions=[] if is_committed else None,
            records=_RECORDS_PROBE,
        )
        topic = FetchableTopicResponse(topic=wanted.topic or "", topic_id=wanted.topic_id, partitions=[probe])
        body = encode(FetchResponse(responses=[topic]), version)
        self._before_offsets, rest = body.split(_OFFSETS.pack(*_PROBE))
        length = uvarint(len(_RECORDS_PROBE) + 1)
        self._after_offsets, self._end = rest.split(length + _RECORDS_PROBE)

    def body(self, data: PartitionData) -> bytes | None:
        """The whole answer without its header; None where there is more to tell, or the records are not at hand."""
        records = data.records
        if data.error_code or data.aborted_transactions or data.diverging_epoch or type(records) is not bytes:
            return None
        return b"".join(
            (
                self._before_offsets,
                _OFFSETS.pack(data.high_watermark, data.last_stable_offset, data.log_start_offset),
                self._after_offsets,
                uvarint(len(records) + 1),
                records,
                self._end,
            )
        )
