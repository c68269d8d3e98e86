"""Quix Streams: words are counted in a state store, which its changelog topic keeps."""

from __future__ import annotations

import json
import logging
import os
import tempfile

from confluent_kafka import Consumer, TopicPartition
from facts import BOOTSTRAP, PREFIX, feature
from quixstreams import Application

logging.disable(logging.CRITICAL)
TEXT = ("the", "quick", "fox", "and", "the", "lazy", "dog", "and", "the", "end")


def application(group):
    return Application(
        broker_address=BOOTSTRAP,
        consumer_group=f"{PREFIX}-{group}",
        auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(),
        processing_guarantee="exactly-once",
        loglevel=None,
    )


def fill(topic):
    app = application("filler")
    words = app.topic(topic, value_serializer="json")
    with app.get_producer() as producer:
        for word in TEXT:
            message = words.serialize(key=word, value={"word": word})
            producer.produce(words.name, key=message.key, value=message.value)


def count(topic, sink):
    app = application("counting")
    frame = app.dataframe(app.topic(topic, value_deserializer="json"))

    def counted(value, state):
        total = state.get("total", 0) + 1
        state.set("total", total)
        return {"word": value["word"], "total": total}

    frame.apply(counted, stateful=True).to_topic(app.topic(sink, value_serializer="json"))
    app.run(count=len(TEXT), timeout=30)


def read(topic):
    settings = {"bootstrap.servers": BOOTSTRAP, "group.id": "nobody", "isolation.level": "read_committed"}
    consumer = Consumer({**settings, "enable.partition.eof": True, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while (message := consumer.poll(20)) is not None and not message.error():
        found.append(json.loads(message.value()))
    consumer.close()
    return found


def pipeline():
    words, totals = f"{PREFIX}-words", f"{PREFIX}-totals"
    fill(words)
    count(words, totals)
    found = read(totals)
    last = {each["word"]: each["total"] for each in found}
    return {"records": len(found), "the": last.get("the"), "words": len(last)}


feature("framework_state", pipeline)
os._exit(0)
