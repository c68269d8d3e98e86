"""A group member by kafka-python: prints what it reads, commits what it has printed, leaves on SIGTERM.

Version 3.0.12 abandons a join when the time of a poll ends in it: the member is in the group, sends no heartbeats and
never fetches. Polls of 200 ms did that in one of sixteen runs on a busy machine, so they are long.
"""

from __future__ import annotations

import signal
import sys

from kafka import KafkaConsumer


def main(bootstrap: str, group: str, topic: str) -> None:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=500,
        session_timeout_ms=1500,
        heartbeat_interval_ms=300,
        reconnect_backoff_max_ms=500,
    )
    leaving = []
    signal.signal(signal.SIGTERM, lambda *_: leaving.append(True))
    while not leaving:
        for records in consumer.poll(timeout_ms=2_000).values():
            for record in records:
                line = f"{record.partition} {record.offset} {record.key.decode()} {record.value.decode()}\n"
                sys.stdout.write(line)
        sys.stdout.flush()
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
