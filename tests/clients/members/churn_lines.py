"""What a member under churn tells its test: one JSON object a line, with the wall clock's time in seconds.

All member programs, in whatever language, write the same events: `assigned`, `revoked` and `lost` with `partitions`,
`record` with `partition` and `offset`, `committed` and `refused` with `offsets`, and `leaving` before the client is
closed. `revoked` is written when nothing more will be read of these partitions and what was read has been committed.
What was refused is committed later, unless the partition is gone by then.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# How long a member takes over what it has read before it gives it up: long enough for a broker that does not wait.
GIVE_UP_S = 0.25


def say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"at": time.time(), "event": event, **facts}) + "\n")
    sys.stdout.flush()


def say_partitions(event: str, partitions: Iterable[int]) -> None:
    say(event, partitions=sorted(partitions))


def say_offsets(event: str, offsets: dict[int, int]) -> None:
    """`offsets` says for each partition which offset is the next to be read."""
    say(event, offsets={str(partition): offset for partition, offset in offsets.items()})
