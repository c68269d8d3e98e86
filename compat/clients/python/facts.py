"""Prints what a program saw: one line of JSON for each feature. An error is a fact as well."""

from __future__ import annotations

import json
import sys
import time

BOOTSTRAP, PREFIX = sys.argv[-2:]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PATIENCE_S = 60


def feature(name, run):
    try:
        line = {"feature": name, "ok": True, **run()}
    except Exception as error:  # noqa: BLE001 (whatever the client raises is what it says to its user)
        line = {"feature": name, "ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(line), flush=True)


async def feature_of(name, run):
    """The same for a client with coroutines."""
    try:
        facts = await run()
    except Exception as error:  # noqa: BLE001
        facts = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"feature": name, "ok": True, **facts}), flush=True)


def restart_broker():
    """Whoever runs this program stops the broker in good order and starts it again; it listens when this is over."""
    print(json.dumps({"please": "restart the broker"}), flush=True)
    answer = sys.stdin.readline().strip()
    if answer != "done":
        raise RuntimeError(answer or "nobody restarted the broker")


def soon(so):
    """Ask until it is so; a broker may answer before all of it knows."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if so():
            return True
        time.sleep(0.05)
    return False


def key(i):
    return b"key-%d" % i


def value(i):
    """Long enough to be worth compressing."""
    return b"value-%d-%0200d" % (i, i)


def header(i):
    return b"header-%d" % i


def round_trip(records):
    """`records` are triples of key, value and the first header's value, as they were read."""
    return {
        name: sum(record[place] == of(i) for i, record in enumerate(records))
        for place, (name, of) in enumerate((("keys", key), ("values", value), ("headers", header)))
    }
