"""FastStream: a subscriber that publishes what it makes of a message. With the option "confluent" over librdkafka,
otherwise over aiokafka."""

from __future__ import annotations

import asyncio
import logging
import sys

from facts import BOOTSTRAP, PATIENCE_S, PREFIX, feature_of

if "confluent" in sys.argv:
    from faststream.confluent import KafkaBroker, TopicPartition
else:
    from aiokafka import TopicPartition  # noqa: F401
    from faststream.kafka import KafkaBroker

logging.disable(logging.CRITICAL)
COUNT = 20


async def until(so):
    for _ in range(int(PATIENCE_S / 0.05)):
        if so():
            return
        await asyncio.sleep(0.05)


def application(seen, doubled):
    """Numbers come in, their doubles go out, and come back."""
    broker = KafkaBroker(BOOTSTRAP)
    group = {"auto_offset_reset": "earliest"}

    @broker.subscriber(f"{PREFIX}-numbers", group_id=f"{PREFIX}-doubling", **group)
    @broker.publisher(f"{PREFIX}-doubles")
    async def double(number: int) -> int:
        seen.append(number)
        return 2 * number

    @broker.subscriber(f"{PREFIX}-doubles", group_id=f"{PREFIX}-reading", **group)
    async def read(number: int) -> None:
        doubled.append(number)

    return broker


async def run(first, end):
    seen, doubled = [], []
    broker = application(seen, doubled)
    await broker.start()
    for number in range(first, end):
        await broker.publish(number, f"{PREFIX}-numbers", key=b"%d" % number, headers={"unit": "none"})
    await until(lambda: len(doubled) >= end - first)
    await broker.stop()
    right = sorted(doubled) == [2 * number for number in range(first, end)]
    return {"seen": len(seen), "doubled": len(doubled), "right": right}


async def main():
    await feature_of("framework_pipeline", lambda: run(0, COUNT))
    # The group goes on where it was: nothing of the first run comes again.
    await feature_of("framework_resume", lambda: run(COUNT, COUNT + 10))


asyncio.run(main())
