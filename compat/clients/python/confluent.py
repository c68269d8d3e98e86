"""The ordinary use of confluent-kafka, from 1.9 to today: what a version lacks it does not show."""

from __future__ import annotations

import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from facts import (
    BOOTSTRAP,
    CODECS,
    PATIENCE_S,
    PREFIX,
    feature,
    header,
    key,
    restart_broker,
    round_trip,
    soon,
    value,
)

NEWER = hasattr(AdminClient, "delete_records")

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def code_of(call):
    try:
        call()
    except KafkaException as error:
        return error.args[0].code()
    return 0


def partitions(topic):
    return len(admin.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions)


def create(name, count):
    topic = f"{PREFIX}-{name}"
    admin.create_topics([NewTopic(topic, count, 1)])[topic].result(PATIENCE_S)
    soon(lambda: partitions(topic) == count)
    return topic


def producer(**settings):
    return Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 20, **settings})


def send(to, topic, first, end):
    errors = []
    for i in range(first, end):
        to.produce(topic, value(i), key(i), headers={"h": header(i)}, on_delivery=lambda error, _: errors.append(error))
    to.flush(PATIENCE_S)
    for error in filter(None, errors):
        raise KafkaException(error)


def read(consumer, count):
    records, deadline = [], time.monotonic() + PATIENCE_S
    while len(records) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            records.append(message)
    return records


def read_all(topic, count, **settings):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "nobody", "enable.auto.commit": False, **settings})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = read(consumer, count)
    consumer.close()
    return records


def config(topic, name):
    resource = ConfigResource("topic", topic)
    return admin.describe_configs([resource])[resource].result(PATIENCE_S)[name].value


def alter_config(topic):
    resource = ConfigResource("topic", topic, set_config={"retention.ms": "60000"})
    admin.alter_configs([resource])[resource].result(PATIENCE_S)


def topics():
    topic, never = f"{PREFIX}-topic", f"{PREFIX}-never"

    def refused(name):
        return {"code": code_of(lambda: admin.create_topics([NewTopic(name, 3, 1)])[name].result(PATIENCE_S))}

    def grow():
        admin.create_partitions([NewPartitions(topic, 5)])[topic].result(PATIENCE_S)
        soon(lambda: partitions(topic) == 5)
        return {"partitions": partitions(topic)}

    def configs():
        before = config(topic, "retention.ms")
        alter_config(topic)
        soon(lambda: config(topic, "retention.ms") == "60000")
        return {
            "before": before,
            "after": config(topic, "retention.ms"),
            "cleanup_policy": config(topic, "cleanup.policy"),
        }

    feature("create_topic", lambda: {"partitions": partitions(create("topic", 3))})
    feature("create_existing", lambda: refused(topic))
    feature("create_invalid", lambda: refused(f"{PREFIX} not a name"))
    feature("create_partitions", grow)
    feature("describe_cluster", lambda: {"brokers": len(admin.list_topics(timeout=PATIENCE_S).brokers)})
    feature("configs", configs)
    feature("unknown_topic", lambda: {"code": code_of(lambda: read_unknown(never))})


def read_unknown(topic):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "nobody", "allow.auto.create.topics": False})
    consumer.subscribe([topic])
    try:
        read(consumer, 1)
    finally:
        consumer.close()


def codec(name):
    def produce():
        topic = create(name, 1)
        send(producer(**{"compression.type": name}), topic, 0, 20)
        return round_trip([(m.key(), m.value(), m.headers()[0][1]) for m in read_all(topic, 20)])

    feature(f"produce_{name}", produce)


def acks():
    topic = create("acks", 1)
    for n, wanted in enumerate(("0", "1", "all")):
        send(producer(acks=wanted), topic, n * 10, n * 10 + 10)
    return {"records": len(read_all(topic, 30))}


def large():
    topic = create("large", 1)

    def one(size, **settings):
        errors = []
        to = producer(**settings)
        to.produce(topic, bytes(size), on_delivery=lambda error, _: errors.append(error))
        to.flush(PATIENCE_S)
        return errors[0].code() if errors[0] else 0

    feature("large_message", lambda: {"code": one(900_000), "bytes": len(read_all(topic, 1)[0].value())})
    feature("too_large", lambda: {"code": one(2_000_000, **{"message.max.bytes": 5_000_000})})


def join(topic, group, **settings):
    common = {"bootstrap.servers": BOOTSTRAP, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({**common, "group.id": group, **settings})
    consumer.subscribe([topic])
    return consumer


def share():
    topic = create("shared", 4)
    members = [join(topic, f"{PREFIX}-shared")]

    def owned():
        for member in members:
            member.poll(0.1)
        return [len(member.assignment()) for member in members]

    soon(lambda: owned() == [4])
    (alone,) = owned()
    members.append(join(topic, f"{PREFIX}-shared"))
    soon(lambda: owned() == [2, 2])
    each = owned()
    for member in members:
        member.close()
    return {"alone": alone, "each": each}


def reconnect():
    topic, to = create("reconnect", 1), producer()
    consumer = join(topic, f"{PREFIX}-reconnect")
    send(to, topic, 0, 10)
    before = read(consumer, 10)
    consumer.commit(before[-1], asynchronous=False)
    restart_broker()
    send(to, topic, 10, 20)
    after = read(consumer, 10)
    consumer.close()
    return {"before": len(before), "after": len(after), "resumed_at": after[0].offset()}


def seek():
    topic = create("times", 1)
    send(producer(), topic, 0, 10)
    time.sleep(0.05)
    now = int(time.time() * 1000)
    send(producer(), topic, 10, 20)
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "nobody"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    read(consumer, 1)
    consumer.seek(consumer.offsets_for_times([TopicPartition(topic, 0, now)], timeout=PATIENCE_S)[0])
    (first,) = read(consumer, 1)
    consumer.close()
    return {"first_read": first.offset()}


def pause():
    topic = create("paused", 1)
    partition = TopicPartition(topic, 0, 0)
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "nobody"})
    consumer.assign([partition])
    consumer.pause([partition])
    send(producer(), topic, 0, 20)
    while_paused = len(consumer.consume(20, timeout=1))
    consumer.resume([partition])
    after = len(read(consumer, 20))
    consumer.close()
    return {"while_paused": while_paused, "after": after}


def groups():
    topic, group = create("group", 1), f"{PREFIX}-group"

    def resume():
        send(producer(), topic, 0, 20)
        one = join(topic, group)
        records = read(one, 10)
        one.commit(records[-1], asynchronous=False)
        one.close()
        other = join(topic, group)
        rest = read(other, 10)
        other.close()
        return {"first": len(records), "resumed_at": rest[0].offset(), "rest": len(rest)}

    def describe():
        member = join(topic, group)
        soon(lambda: member.poll(0.1) is not None or member.assignment())
        (found,) = admin.list_groups(group, timeout=PATIENCE_S)
        member.close()
        return {"state": found.state, "members": len(found.members)}

    def committed():
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group})
        (offset,) = consumer.committed([TopicPartition(topic, 0)], timeout=PATIENCE_S)
        consumer.close()
        return {"offset": offset.offset}

    def move():
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group})
        consumer.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
        consumer.close()
        return committed()

    def listed():
        return {"listed": any(found.id == group for found in admin.list_groups(timeout=PATIENCE_S))}

    def delete():
        soon(lambda: admin.list_groups(group, timeout=PATIENCE_S)[0].state == "Empty")
        admin.delete_consumer_groups([group])[group].result(PATIENCE_S)
        return listed()

    def next_generation():
        member = join(topic, f"{PREFIX}-consumer", **{"group.protocol": "consumer"})
        records = read(member, 20)
        member.close()
        return {"records": len(records)}

    feature("group_resume", resume)
    feature("describe_group", describe)
    feature("list_groups", listed)
    feature("committed_offset", committed)
    feature("move_group", move)
    feature("shared_group", share)
    if hasattr(admin, "delete_consumer_groups"):
        feature("delete_group", delete)
    if NEWER:
        feature("consumer_protocol", next_generation)


def transactions():
    topic = create("transactions", 1)

    def begin(name):
        to = producer(**{"transactional.id": f"{PREFIX}-{name}"})
        to.init_transactions(PATIENCE_S)
        to.begin_transaction()
        return to

    def idempotent():
        counted, to = create("idempotent", 1), producer(**{"enable.idempotence": True})
        for n in range(5):
            send(to, counted, n * 20, n * 20 + 20)
        return {"records": len(read_all(counted, 100))}

    def commit_and_abort():
        to = begin("transactional")
        send(to, topic, 0, 10)
        to.commit_transaction(PATIENCE_S)
        to.begin_transaction()
        send(to, topic, 10, 20)
        to.abort_transaction(PATIENCE_S)
        to.begin_transaction()
        send(to, topic, 20, 30)
        to.commit_transaction(PATIENCE_S)
        committed = read_all(topic, 20, **{"isolation.level": "read_committed"})
        uncommitted = read_all(topic, 30, **{"isolation.level": "read_uncommitted"})
        return {
            "committed": len(committed),
            "uncommitted": len(uncommitted),
            "after_the_aborted": committed[10].key().decode(),
        }

    def offsets():
        sink, group = create("sink", 1), f"{PREFIX}-transform"
        settings = {"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest"}
        consumer = Consumer({**settings, "enable.auto.commit": False})
        consumer.subscribe([topic])
        count = len(read(consumer, 10))
        to = begin("transform")
        send(to, sink, 0, count)
        positions = consumer.position([TopicPartition(topic, 0)])
        to.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), PATIENCE_S)
        to.commit_transaction(PATIENCE_S)
        soon(lambda: consumer.committed([TopicPartition(topic, 0)], timeout=PATIENCE_S)[0].offset == 10)
        (offset,) = consumer.committed([TopicPartition(topic, 0)], timeout=PATIENCE_S)
        consumer.close()
        return {
            "offset": offset.offset,
            "records": len(read_all(sink, 10, **{"isolation.level": "read_committed"})),
        }

    def fenced():
        older = begin("fenced")
        send(older, topic, 0, 1)
        newer = begin("fenced")
        send(newer, topic, 1, 2)
        newer.commit_transaction(PATIENCE_S)
        code = code_of(lambda: (send(older, topic, 2, 3), older.commit_transaction(PATIENCE_S)))
        # librdkafka has a number of its own for it, or the one that the broker gave.
        return {"fenced": code in (47, 90, confluent_kafka.KafkaError._FENCED)}

    feature("idempotent", idempotent)
    feature("transactions", commit_and_abort)
    feature("transaction_offsets", offsets)
    feature("fenced", fenced)


def offsets():
    topic = create("offsets", 1)
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "nobody"})

    def watermarks():
        send(producer(), topic, 0, 20)
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE_S)
        return {"earliest": low, "latest": high}

    def at(ms):
        return consumer.offsets_for_times([TopicPartition(topic, 0, ms)], timeout=PATIENCE_S)[0].offset

    def for_times():
        first = read_all(topic, 20)[0].timestamp()[1]
        return {"at_first": at(first), "later": at(int(time.time() * 1000) + 3_600_000)}

    def delete_records():
        partition = TopicPartition(topic, 0, 5)
        admin.delete_records([partition])[partition].result(PATIENCE_S)
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE_S)
        return {"earliest": low, "first_read": read_all(topic, 1, **{"auto.offset.reset": "earliest"})[0].offset()}

    def delete(name):
        admin.delete_topics([name])[name].result(PATIENCE_S)

    def delete_topic():
        delete(topic)
        return {"gone": soon(lambda: topic not in admin.list_topics(timeout=PATIENCE_S).topics)}

    feature("list_offsets", watermarks)
    feature("offsets_for_times", for_times)
    if NEWER:
        feature("delete_records", delete_records)
    feature("delete_topic", delete_topic)
    feature("delete_unknown", lambda: {"code": code_of(lambda: delete(f"{PREFIX}-never"))})
    consumer.close()


def main():
    topics()
    for name in CODECS:
        codec(name)
    feature("acks", acks)
    large()
    groups()
    transactions()
    offsets()
    feature("seek_to_time", seek)
    feature("pause_resume", pause)
    feature("reconnect", reconnect)


main()
