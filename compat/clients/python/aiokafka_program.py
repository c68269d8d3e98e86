"""The ordinary use of aiokafka."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, ProducerFenced
from facts import BOOTSTRAP, CODECS, PATIENCE_S, PREFIX, feature_of, header, key, restart_broker, round_trip, value


async def soon(so):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if await so():
            return True
        await asyncio.sleep(0.05)
    return False


async def code_of(call):
    try:
        await call
    except KafkaError as error:
        return error.errno
    return 0


def message(i):
    return {"value": value(i), "key": key(i), "headers": [("h", header(i))]}


async def send(to, topic, first, end):
    for sent in [await to.send(topic, **message(i)) for i in range(first, end)]:
        await sent


async def produce(topic, first, end, **settings):
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, linger_ms=20, **settings) as to:
        await send(to, topic, first, end)


async def read(consumer, count):
    records, deadline = [], time.monotonic() + PATIENCE_S
    while len(records) < count and time.monotonic() < deadline:
        for batch in (await consumer.getmany(timeout_ms=500, max_records=count - len(records))).values():
            records += batch
    return records


async def read_all(topic, count, **settings):
    async with AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", **settings) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return await read(consumer, count)


def join(topic, group, **settings):
    reading = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return AIOKafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, group_id=group, **reading, **settings)


def begin(name):
    return AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=f"{PREFIX}-{name}")


class Program:
    def __init__(self, admin):
        self.admin = admin

    async def partitions(self, topic):
        return len((await self.admin.describe_topics([topic]))[0]["partitions"])

    async def create(self, name, count):
        topic = f"{PREFIX}-{name}"
        await self.admin.create_topics([NewTopic(topic, count, 1)])

        async def all_there():
            return await self.partitions(topic) == count

        await soon(all_there)
        return topic

    async def topics(self):
        topic = f"{PREFIX}-topic"

        async def create_topic():
            await self.create("topic", 3)
            return {"partitions": await self.partitions(topic)}

        async def refused(name):
            # aiokafka hands over the broker's answer as it is.
            answer = await self.admin.create_topics([NewTopic(name, 3, 1)])
            return {"code": answer.topic_errors[0][1]}

        async def grow():
            await self.admin.create_partitions({topic: NewPartitions(5)})

            async def grown():
                return await self.partitions(topic) == 5

            await soon(grown)
            return {"partitions": await self.partitions(topic)}

        async def describe_cluster():
            return {"brokers": len((await self.admin.describe_cluster())["brokers"])}

        await feature_of("create_topic", create_topic)
        await feature_of("create_existing", lambda: refused(topic))
        await feature_of("create_invalid", lambda: refused(f"{PREFIX} not a name"))
        await feature_of("create_partitions", grow)
        await feature_of("describe_cluster", describe_cluster)
        await feature_of("configs", lambda: self.configs(topic))

    async def configs(self, topic):
        async def config(name):
            (answer,) = await self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            return {entry[0]: entry[1] for entry in answer.resources[0][4]}[name]

        async def changed():
            return await config("retention.ms") == "60000"

        before = await config("retention.ms")
        await self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "60000"})])
        await soon(changed)
        return {
            "before": before,
            "after": await config("retention.ms"),
            "cleanup_policy": await config("cleanup.policy"),
        }

    async def codec(self, name):
        async def round_about():
            topic = await self.create(name, 1)
            await produce(topic, 0, 20, compression_type=None if name == "none" else name)
            return round_trip(
                [(record.key, record.value, record.headers[0][1]) for record in await read_all(topic, 20)]
            )

        await feature_of(f"produce_{name}", round_about)

    async def large(self):
        topic = await self.create("large", 1)

        async def one(size):
            async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, max_request_size=5_000_000) as to:
                return await code_of(to.send_and_wait(topic, bytes(size)))

        async def fits():
            return {"code": await one(900_000), "bytes": len((await read_all(topic, 1))[0].value)}

        async def too_large():
            return {"code": await one(2_000_000)}

        await feature_of("large_message", fits)
        await feature_of("too_large", too_large)

    async def groups(self):
        topic, group = await self.create("group", 1), f"{PREFIX}-group"

        async def resume():
            await produce(topic, 0, 20)
            async with join(topic, group) as one:
                records = await read(one, 10)
                await one.commit()
            async with join(topic, group) as other:
                rest = await read(other, 10)
            return {"first": len(records), "resumed_at": rest[0].offset, "rest": len(rest)}

        async def describe():
            async with join(topic, group):
                (answer,) = await self.admin.describe_consumer_groups([group])
            _, _, state, _, _, members, *_ = answer.groups[0]
            return {"state": state, "members": len(members)}

        async def listed():
            return {"listed": any(name == group for name, *_ in await self.admin.list_consumer_groups())}

        async def committed():
            offsets = await self.admin.list_consumer_group_offsets(group)
            return {"offset": offsets[TopicPartition(topic, 0)].offset}

        await feature_of("group_resume", resume)
        await feature_of("describe_group", describe)
        await feature_of("list_groups", listed)

        async def move():
            async with AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, enable_auto_commit=False) as one:
                one.assign([TopicPartition(topic, 0)])
                await one.commit({TopicPartition(topic, 0): 5})
            return await committed()

        await feature_of("committed_offset", committed)
        await feature_of("move_group", move)
        await feature_of("shared_group", self.share)

    async def share(self):
        topic, group = await self.create("shared", 4), f"{PREFIX}-shared"
        members = [join(topic, group, heartbeat_interval_ms=500)]

        def owned():
            return [len(member.assignment()) for member in members]

        async def is_alone():
            return owned() == [4]

        async def is_shared():
            return owned() == [2, 2]

        await members[0].start()
        await soon(is_alone)
        (alone,) = owned()
        members.append(join(topic, group))
        await members[1].start()
        await soon(is_shared)
        each = owned()
        for member in members:
            await member.stop()
        return {"alone": alone, "each": each}

    async def reconnect(self):
        topic = await self.create("reconnect", 1)
        async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP) as to, join(topic, f"{PREFIX}-reconnect") as consumer:
            await send(to, topic, 0, 10)
            before = await read(consumer, 10)
            await consumer.commit()
            await asyncio.to_thread(restart_broker)
            await send(to, topic, 10, 20)
            after = await read(consumer, 10)
        return {"before": len(before), "after": len(after), "resumed_at": after[0].offset}

    async def acks(self):
        topic = await self.create("acks", 1)
        for n, wanted in enumerate((0, 1, "all")):
            await produce(topic, n * 10, n * 10 + 10, acks=wanted)
        return {"records": len(await read_all(topic, 30))}

    async def seek(self):
        topic = await self.create("times", 1)
        partition = TopicPartition(topic, 0)
        await produce(topic, 0, 10)
        await asyncio.sleep(0.05)
        now = int(time.time() * 1000)
        await produce(topic, 10, 20)
        async with AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest") as consumer:
            consumer.assign([partition])
            await read(consumer, 1)
            consumer.seek(partition, (await consumer.offsets_for_times({partition: now}))[partition].offset)
            (first,) = await read(consumer, 1)
        return {"first_read": first.offset}

    async def pause(self):
        topic = await self.create("paused", 1)
        partition = TopicPartition(topic, 0)
        async with AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest") as consumer:
            consumer.assign([partition])
            consumer.pause(partition)
            await produce(topic, 0, 20)
            while_paused = sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
            consumer.resume(partition)
            after = len(await read(consumer, 20))
        return {"while_paused": while_paused, "after": after}

    async def transaction_offsets(self, topic):
        sink, group, partition = await self.create("sink", 1), f"{PREFIX}-transform", TopicPartition(topic, 0)
        async with begin("transform") as to, to.transaction():
            await send(to, sink, 0, 10)
            await to.send_offsets_to_transaction({partition: 10}, group)

        async def committed():
            found = (await self.admin.list_consumer_group_offsets(group)).get(partition)
            return found.offset if found else -1

        async def there():
            return await committed() == 10

        await soon(there)
        return {
            "offset": await committed(),
            "records": len(await read_all(sink, 10, isolation_level="read_committed")),
        }

    async def transactions(self):
        topic = await self.create("transactions", 1)

        async def idempotent():
            counted = await self.create("idempotent", 1)
            async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True) as to:
                for n in range(5):
                    await send(to, counted, n * 20, n * 20 + 20)
            return {"records": len(await read_all(counted, 100))}

        async def commit_and_abort():
            async with begin("transactional") as to:
                for n, end in enumerate((to.commit_transaction, to.abort_transaction, to.commit_transaction)):
                    await to.begin_transaction()
                    await send(to, topic, n * 10, n * 10 + 10)
                    await end()
            committed = await read_all(topic, 20, isolation_level="read_committed")
            return {
                "committed": len(committed),
                "uncommitted": len(await read_all(topic, 30)),
                "after_the_aborted": committed[10].key.decode(),
            }

        async def fenced():
            async with begin("fenced") as older:
                await older.begin_transaction()
                await send(older, topic, 0, 1)
                async with begin("fenced") as newer, newer.transaction():
                    await send(newer, topic, 1, 2)
                try:
                    await send(older, topic, 2, 3)
                except ProducerFenced:
                    return {"fenced": True}
            return {"fenced": False}

        await feature_of("idempotent", idempotent)
        await feature_of("transactions", commit_and_abort)
        await feature_of("transaction_offsets", lambda: self.transaction_offsets(topic))
        await feature_of("fenced", fenced)

    async def offsets(self):
        topic = await self.create("offsets", 1)
        partition = TopicPartition(topic, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP)
        await consumer.start()

        async def ends():
            await produce(topic, 0, 20)
            low, high = await consumer.beginning_offsets([partition]), await consumer.end_offsets([partition])
            return {"earliest": low[partition], "latest": high[partition]}

        async def for_times():
            first = (await read_all(topic, 20))[0].timestamp
            found = (await consumer.offsets_for_times({partition: first}))[partition]
            later = (await consumer.offsets_for_times({partition: int(time.time() * 1000) + 3_600_000}))[partition]
            return {"at_first": found.offset, "later": -1 if later is None else later.offset}

        async def delete_records():
            await self.admin.delete_records({partition: RecordsToDelete(before_offset=5)})
            low = await consumer.beginning_offsets([partition])
            return {"earliest": low[partition], "first_read": (await read_all(topic, 1))[0].offset}

        async def delete_topic():
            await self.admin.delete_topics([topic])

            async def gone():
                return topic not in await self.admin.list_topics()

            return {"gone": await soon(gone)}

        async def delete_unknown():
            answer = await self.admin.delete_topics([f"{PREFIX}-never"])
            return {"code": answer.topic_error_codes[0][1]}

        await feature_of("list_offsets", ends)
        await feature_of("offsets_for_times", for_times)
        await feature_of("delete_records", delete_records)
        await feature_of("delete_topic", delete_topic)
        await feature_of("delete_unknown", delete_unknown)
        await consumer.stop()


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    program = Program(admin)
    await program.topics()
    for name in CODECS:
        await program.codec(name)
    await feature_of("acks", program.acks)
    await program.large()
    await program.groups()
    await program.transactions()
    await program.offsets()
    await feature_of("seek_to_time", program.seek)
    await feature_of("pause_resume", program.pause)
    await feature_of("reconnect", program.reconnect)
    await admin.close()


asyncio.run(main())
