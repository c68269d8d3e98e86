"""The ordinary use of kafka-python, 2 and today's: what a version lacks it does not show."""

from __future__ import annotations

import threading
import time

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
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from kafka.version import __version__

OLD = __version__.startswith("2.")  # the admin client of 2, with its names
OLDEST = __version__.startswith("2.0")  # no transactions yet
NOT_IDEMPOTENT = {} if OLDEST else {"enable_idempotence": False}

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def code_of(call):
    try:
        call()
    except KafkaError as error:
        return error.errno
    return 0


def partitions(topic):
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    found = consumer.partitions_for_topic(topic) or ()
    consumer.close()
    return len(found)


def create(name, count):
    topic = f"{PREFIX}-{name}"
    admin.create_topics([NewTopic(topic, count, 1)])
    soon(lambda: partitions(topic) == count)
    return topic


def producer(**settings):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, linger_ms=20, **settings)


def send(to, topic, first, end):
    sent = [to.send(topic, value(i), key(i), headers=[("h", header(i))]) for i in range(first, end)]
    to.flush(PATIENCE_S)
    for one in sent:
        one.get(PATIENCE_S)


def produce(topic, first, end, **settings):
    to = producer(**settings)
    send(to, topic, first, end)
    to.close()


def read(consumer, count):
    records, deadline = [], time.monotonic() + PATIENCE_S
    while len(records) < count and time.monotonic() < deadline:
        for batch in consumer.poll(500, max_records=count - len(records)).values():
            records += batch
    return records


def read_all(topic, count, **settings):
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", **settings)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    records = read(consumer, count)
    consumer.close()
    return records


def config(topic, name):
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic)]
    if OLD:
        return next(entry[1] for entry in admin.describe_configs(resources)[0].resources[0][4] if entry[0] == name)
    return admin.describe_configs(resources, config_filter="all")["topic"][topic][name]["value"]


def topics():
    topic = f"{PREFIX}-topic"

    def grow():
        admin.create_partitions({topic: NewPartitions(5)})
        soon(lambda: partitions(topic) == 5)
        return {"partitions": partitions(topic)}

    def configs():
        before = config(topic, "retention.ms")
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "60000"})])
        soon(lambda: config(topic, "retention.ms") == "60000")
        return {
            "before": before,
            "after": config(topic, "retention.ms"),
            "cleanup_policy": config(topic, "cleanup.policy"),
        }

    def refused(name):
        return {"code": code_of(lambda: admin.create_topics([NewTopic(name, 3, 1)]))}

    feature("create_topic", lambda: {"partitions": partitions(create("topic", 3))})
    feature("create_existing", lambda: refused(topic))
    feature("create_invalid", lambda: refused(f"{PREFIX} not a name"))
    feature("create_partitions", grow)
    feature("describe_cluster", lambda: {"brokers": len(admin.describe_cluster()["brokers"])})
    feature("configs", configs)


def codec(name):
    def round_about():
        topic = create(name, 1)
        produce(topic, 0, 20, compression_type=None if name == "none" else name)
        return round_trip([(record.key, record.value, record.headers[0][1]) for record in read_all(topic, 20)])

    feature(f"produce_{name}", round_about)


def acks():
    topic = create("acks", 1)
    for n, wanted in enumerate((0, 1, "all")):
        produce(topic, n * 10, n * 10 + 10, acks=wanted, **NOT_IDEMPOTENT)
    return {"records": len(read_all(topic, 30))}


def large():
    topic = create("large", 1)

    def one(size, **settings):
        to = producer(**settings)
        try:
            return code_of(lambda: to.send(topic, bytes(size)).get(PATIENCE_S))
        finally:
            to.close()

    feature("large_message", lambda: {"code": one(900_000), "bytes": len(read_all(topic, 1)[0].value)})
    feature("too_large", lambda: {"code": one(2_000_000, max_request_size=5_000_000)})


def described(group):
    """Its state, and how many members it has."""
    if OLD:
        (found,) = admin.describe_consumer_groups([group])
        if isinstance(found, dict):
            return found["group_state"], len(found["members"])
        return found.state, len(found.members)
    found = admin.describe_groups([group])[group]
    return found["group_state"], len(found["members"])


def groups_listed():
    if OLD:
        return [name for name, *_ in admin.list_consumer_groups()]
    return [found["group_id"] for found in admin.list_groups()]


def committed_offset(group, partition):
    offsets = admin.list_consumer_group_offsets(group) if OLD else admin.list_group_offsets({group: None})[group]
    return offsets[partition].offset if partition in offsets else -1


def join(topic, group, **settings):
    reading = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return KafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, group_id=group, **reading, **settings)


def share():
    """Each member in a thread of its own: kafka-python joins and heartbeats only while somebody polls."""
    topic, group = create("shared", 4), f"{PREFIX}-shared"
    members, over = [], threading.Event()

    def take_part():
        member = join(topic, group, heartbeat_interval_ms=500)
        members.append(member)
        while not over.is_set():
            member.poll(500)
        member.close()

    def owned():
        return [len(member.assignment()) for member in members]

    threads = [threading.Thread(target=take_part) for _ in range(2)]
    threads[0].start()
    soon(lambda: owned() == [4])
    (alone,) = owned()
    threads[1].start()
    soon(lambda: owned() == [2, 2])
    each = owned()
    over.set()
    for thread in threads:
        thread.join()
    return {"alone": alone, "each": each}


def reconnect():
    topic, to = create("reconnect", 1), producer(retries=20)
    consumer = join(topic, f"{PREFIX}-reconnect")
    send(to, topic, 0, 10)
    before = read(consumer, 10)
    consumer.commit()
    restart_broker()
    send(to, topic, 10, 20)
    after = read(consumer, 10)
    consumer.close()
    to.close()
    return {"before": len(before), "after": len(after), "resumed_at": after[0].offset}


def seek():
    topic = create("times", 1)
    partition = TopicPartition(topic, 0)
    produce(topic, 0, 10)
    time.sleep(0.05)
    now = int(time.time() * 1000)
    produce(topic, 10, 20)
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest")
    consumer.assign([partition])
    read(consumer, 1)
    consumer.seek(partition, consumer.offsets_for_times({partition: now})[partition].offset)
    (first,) = read(consumer, 1)
    consumer.close()
    return {"first_read": first.offset}


def pause():
    topic = create("paused", 1)
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest")
    consumer.assign([partition])
    consumer.pause(partition)
    produce(topic, 0, 20)
    while_paused = sum(map(len, consumer.poll(1000).values()))
    consumer.resume(partition)
    after = len(read(consumer, 20))
    consumer.close()
    return {"while_paused": while_paused, "after": after}


def groups():
    topic, group = create("group", 1), f"{PREFIX}-group"
    partition = TopicPartition(topic, 0)

    def resume():
        produce(topic, 0, 20)
        one = join(topic, group)
        records = read(one, 10)
        one.commit()
        one.close()
        other = join(topic, group)
        rest = read(other, 10)
        other.close()
        return {"first": len(records), "resumed_at": rest[0].offset, "rest": len(rest)}

    def listed():
        return {"listed": group in groups_listed()}

    def describe():
        member = join(topic, group)
        soon(lambda: member.poll(500) or member.assignment())
        state, members = described(group)
        member.close()
        return {"state": state, "members": members}

    def move():
        consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, enable_auto_commit=False)
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(5, "") if OLDEST else OffsetAndMetadata(5, "", -1)})
        consumer.close()
        return {"offset": committed_offset(group, partition)}

    def delete():
        soon(lambda: described(group)[0] == "Empty")
        (admin.delete_consumer_groups if OLD else admin.delete_groups)([group])
        return listed()

    feature("group_resume", resume)
    feature("describe_group", describe)
    feature("list_groups", listed)
    feature("committed_offset", lambda: {"offset": committed_offset(group, partition)})
    feature("move_group", move)
    feature("shared_group", share)
    feature("delete_group", delete)


def transactions():
    topic = create("transactions", 1)

    def begin(name):
        to = producer(transactional_id=f"{PREFIX}-{name}")
        to.init_transactions()
        to.begin_transaction()
        return to

    def idempotent():
        counted, to = create("idempotent", 1), producer(enable_idempotence=True)
        for n in range(5):
            send(to, counted, n * 20, n * 20 + 20)
        to.close()
        return {"records": len(read_all(counted, 100))}

    def commit_and_abort():
        to = begin("transactional")
        send(to, topic, 0, 10)
        to.commit_transaction()
        to.begin_transaction()
        send(to, topic, 10, 20)
        to.abort_transaction()
        to.begin_transaction()
        send(to, topic, 20, 30)
        to.commit_transaction()
        to.close()
        committed = read_all(topic, 20, isolation_level="read_committed")
        return {
            "committed": len(committed),
            "uncommitted": len(read_all(topic, 30)),
            "after_the_aborted": committed[10].key.decode(),
        }

    def offsets():
        sink, group, to = create("sink", 1), f"{PREFIX}-transform", begin("transform")
        send(to, sink, 0, 10)
        to.send_offsets_to_transaction({TopicPartition(topic, 0): OffsetAndMetadata(10, "", -1)}, group)
        to.commit_transaction()
        to.close()

        partition = TopicPartition(topic, 0)
        soon(lambda: committed_offset(group, partition) == 10)
        return {
            "offset": committed_offset(group, partition),
            "records": len(read_all(sink, 10, isolation_level="read_committed")),
        }

    feature("idempotent", idempotent)
    feature("transactions", commit_and_abort)
    feature("transaction_offsets", offsets)


def offsets():
    topic = create("offsets", 1)
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)

    def ends():
        produce(topic, 0, 20)
        low, high = consumer.beginning_offsets([partition]), consumer.end_offsets([partition])
        return {"earliest": low[partition], "latest": high[partition]}

    def for_times():
        first = read_all(topic, 20)[0].timestamp
        later = consumer.offsets_for_times({partition: int(time.time() * 1000) + 3_600_000})[partition]
        found = consumer.offsets_for_times({partition: first})[partition]
        return {"at_first": found.offset, "later": -1 if later is None else later.offset}

    def delete_records():
        admin.delete_records({partition: 5})
        low = consumer.beginning_offsets([partition])
        return {"earliest": low[partition], "first_read": read_all(topic, 1)[0].offset}

    def delete_topic():
        admin.delete_topics([topic])
        return {"gone": soon(lambda: topic not in admin.list_topics())}

    feature("list_offsets", ends)
    feature("offsets_for_times", for_times)
    if not OLDEST:
        feature("delete_records", delete_records)
    feature("delete_topic", delete_topic)
    feature("delete_unknown", lambda: {"code": code_of(lambda: admin.delete_topics([f"{PREFIX}-never"]))})


def main():
    topics()
    for name in CODECS:
        codec(name)
    feature("acks", acks)
    large()
    groups()
    if not OLDEST:
        transactions()
    offsets()
    feature("seek_to_time", seek)
    feature("pause_resume", pause)
    feature("reconnect", reconnect)


main()
