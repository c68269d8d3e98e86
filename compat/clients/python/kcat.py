"""The ordinary use of kcat, at the shell."""

from __future__ import annotations

import json
import subprocess
import time

from facts import BOOTSTRAP, CODECS, PREFIX, feature, header, key, round_trip, value


def kcat(*arguments, stdin=b""):
    done = subprocess.run(["kcat", "-b", BOOTSTRAP, *arguments], input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode()


def succeed(*arguments, stdin=b""):
    status, out, said = kcat(*arguments, stdin=stdin)
    if status:
        raise RuntimeError(f"kcat {' '.join(arguments)}: {status} {said}")
    return out


def send(topic, first, end, *options):
    for i in range(first, end):
        line = key(i) + b"\t" + value(i)
        succeed("-P", "-t", topic, "-K", "\t", "-H", f"h={header(i).decode()}", *options, stdin=line)


def read_all(topic, *options):
    lines = succeed("-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-J", *options).splitlines()
    return [json.loads(line) for line in lines]


def codec(name):
    topic = f"{PREFIX}-{name}"
    send(topic, 0, 20, "-z", name)
    return round_trip([(r["key"].encode(), r["payload"].encode(), r["headers"][1].encode()) for r in read_all(topic)])


def large():
    topic = f"{PREFIX}-large"
    succeed("-P", "-t", topic, "-D", "|", stdin=b"x" * 900_000)
    return {"bytes": len(read_all(topic)[0]["payload"])}


def too_large():
    options = ("-X", "message.max.bytes=5000000")
    _, _, said = kcat("-P", "-t", f"{PREFIX}-large", "-D", "|", *options, stdin=b"x" * 2_000_000)
    return {"code": 10 if "Message size too large" in said else said}


def group_resume():
    topic, group = f"{PREFIX}-group", f"{PREFIX}-group"
    succeed("-P", "-t", topic, stdin=b"\n".join(b"%d" % i for i in range(20)))
    reading = ("-G", group, "-X", "auto.offset.reset=earliest", "-q", "-f", "%o\n")
    first = succeed("-c", "10", *reading, topic).split()
    rest = succeed("-c", "10", *reading, topic).split()
    return {"first": len(first), "resumed_at": int(rest[0]), "rest": len(rest)}


def idempotent():
    topic = f"{PREFIX}-idempotent"
    lines = b"\n".join(b"%d" % i for i in range(100))
    succeed("-P", "-t", topic, "-X", "enable.idempotence=true", stdin=lines)
    return {"records": len(read_all(topic))}


def describe_cluster():
    return {"brokers": len(json.loads(succeed("-L", "-J"))["brokers"])}


def acks():
    topic = f"{PREFIX}-acks"
    for n, wanted in enumerate(("0", "1", "all")):
        send(topic, n * 10, n * 10 + 10, "-X", f"acks={wanted}")
    return {"records": len(read_all(topic))}


def seek():
    topic = f"{PREFIX}-times"
    for first in (0, 10):
        now = int(time.time() * 1000)
        succeed("-P", "-t", topic, stdin=b"\n".join(b"%d" % i for i in range(first, first + 10)))
        time.sleep(0.05)
    found = succeed("-C", "-t", topic, "-p", "0", "-o", f"s@{now}", "-c", "1", "-q", "-f", "%o")
    return {"first_read": int(found)}


def offsets_for_times():
    topic = f"{PREFIX}-group"
    first = read_all(topic)[0]["ts"]
    found = succeed("-Q", "-t", f"{topic}:0:{first}").decode()
    return {"at_first": int(found.split("offset ")[1])}


def main():
    for name in CODECS:
        feature(f"produce_{name}", lambda name=name: codec(name))
    feature("acks", acks)
    feature("large_message", large)
    feature("too_large", too_large)
    feature("group_resume", group_resume)
    feature("idempotent", idempotent)
    feature("describe_cluster", describe_cluster)
    feature("offsets_for_times", offsets_for_times)
    feature("seek_to_time", seek)


main()
