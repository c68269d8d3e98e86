"""A group member by aiokafka: prints what it reads, commits what it has printed, leaves on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys

from aiokafka import AIOKafkaConsumer


async def main(bootstrap: str, group: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=500,
        session_timeout_ms=1500,
        heartbeat_interval_ms=300,
    )
    leaving = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leaving.set)
    await consumer.start()
    while not leaving.is_set():
        for records in (await consumer.getmany(timeout_ms=200, max_records=500)).values():
            for record in records:
                line = f"{record.partition} {record.offset} {record.key.decode()} {record.value.decode()}\n"
                sys.stdout.write(line)
        sys.stdout.flush()
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
