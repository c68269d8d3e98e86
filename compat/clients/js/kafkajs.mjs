// The ordinary use of KafkaJS, 1 and 2.
import { createRequire } from 'node:module'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { lz4Compress, lz4Decompress } from '@platformatic/wasm-utils'
import zstd from 'zstd-codec'
import {
  Arrivals, bootstrap, codecs, equalRecords, feature, header, key, pause, prefix, range, soon, value
} from './facts.mjs'

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4Compress(encoder.buffer),
  decompress: async buffer => lz4Decompress(buffer)
})
const simple = await new Promise(resolve => zstd.ZstdCodec.run(codec => resolve(new codec.Simple())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(simple.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(simple.decompress(buffer))
})
const compression = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD
}

// KafkaJS 1 tries again and again where a topic is unknown, and then tells of it without the number.
const tellsNumbers = !createRequire(import.meta.url)('kafkajs/package.json').version.startsWith('1.')
const kafka = new Kafka({ clientId: 'compat', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
const admin = kafka.admin()
const producer = kafka.producer()
await admin.connect()
await producer.connect()

// The number of Kafka's error; KafkaJS wraps it, sometimes twice.
async function codeOf (promise) {
  try {
    await promise
    return 0
  } catch (error) {
    for (let at = error; at; at = at.cause ?? at.errors?.[0]) {
      if (at.code !== undefined) return at.code
    }
    throw error
  }
}

const partitions = async topic => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length

async function create (name, count) {
  const topic = `${prefix}-${name}`
  await admin.createTopics({ topics: [{ topic, numPartitions: count, replicationFactor: 1 }], waitForLeaders: true })
  return topic
}

const messages = (first, end) => range(first, end).map(i => ({ key: key(i), value: value(i), headers: { h: header(i) } }))
const send = (sender, topic, first, end) => sender.send({ topic, messages: messages(first, end) })

let readers = 0

// Reads from the start of a topic, in a group that nobody needs again.
async function readAll (topic, count, options = {}) {
  const consumer = kafka.consumer({ groupId: `${prefix}-reader-${readers++}`, maxWaitTimeInMs: 200, ...options })
  const arrivals = new Arrivals()
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => arrivals.push(message) })
  const got = await arrivals.first(count)
  await consumer.disconnect()
  return got
}

async function topics () {
  const topic = `${prefix}-topic`
  const again = { topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] }
  await feature('create_topic', async () => {
    await create('topic', 3)
    return { partitions: await partitions(topic) }
  })
  // KafkaJS tells of a topic that exists by false, not by an error.
  await feature('create_existing', async () => ({ created: await admin.createTopics(again) }))
  await feature('create_invalid', async () => ({ code: await codeOf(admin.createTopics({ topics: [{ topic: `${prefix} not a name` }] })) }))
  await feature('create_partitions', async () => {
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await soon(async () => await partitions(topic) === 5)
    return { partitions: await partitions(topic) }
  })
  await feature('describe_cluster', async () => ({ brokers: (await admin.describeCluster()).brokers.length }))
  await feature('configs', async () => {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
    const read = async name => {
      const described = await admin.describeConfigs({ resources: [{ ...resource, configNames: [name] }], includeSynonyms: false })
      return described.resources[0].configEntries[0].configValue
    }
    const before = await read('retention.ms')
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '60000' }] }] })
    await soon(async () => await read('retention.ms') === '60000')
    return { before, after: await read('retention.ms'), cleanup_policy: await read('cleanup.policy') }
  })
  if (tellsNumbers) await feature('unknown_topic', async () => ({ code: await codeOf(admin.fetchTopicOffsets(`${prefix}-never`)) }))
}

async function codec (name) {
  await feature(`produce_${name}`, async () => {
    const topic = await create(name, 1)
    await producer.send({ topic, messages: messages(0, 20), compression: compression[name] })
    const parts = { key: r => String(r.key), value: r => String(r.value), header: r => String(r.headers.h) }
    return equalRecords(await readAll(topic, 20), parts)
  })
}

async function large () {
  const topic = await create('large', 1)
  const one = size => producer.send({ topic, messages: [{ value: Buffer.alloc(size) }] })
  await feature('large_message', async () => {
    await one(900_000)
    return { bytes: (await readAll(topic, 1))[0].value.length }
  })
  await feature('too_large', async () => ({ code: await codeOf(one(2_000_000)) }))
}

async function group () {
  const [topic, groupId] = [await create('group', 1), `${prefix}-group`]
  const join = async (limit, commits) => {
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 })
    const arrivals = new Arrivals()
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => {
        if (arrivals.records.length === limit) return
        arrivals.push(message)
        if (commits) await consumer.commitOffsets([{ topic, partition: 0, offset: String(Number(message.offset) + 1) }])
      }
    })
    return { consumer, arrivals }
  }
  const described = async () => (await admin.describeGroups([groupId])).groups[0]
  const listed = async () => (await admin.listGroups()).groups.some(group => group.groupId === groupId)
  await feature('group_resume', async () => {
    await send(producer, topic, 0, 20)
    const one = await join(10, true)
    const records = await one.arrivals.first(10)
    await one.consumer.disconnect()
    const other = await join(10, false)
    const rest = await other.arrivals.first(10)
    await other.consumer.disconnect()
    return { first: records.length, resumed_at: Number(rest[0].offset), rest: rest.length }
  })
  await feature('describe_group', async () => {
    const { consumer } = await join(0, false)
    await soon(async () => (await described()).state === 'Stable')
    const { state, members } = await described()
    await consumer.disconnect()
    return { state, members: members.length }
  })
  await feature('list_groups', async () => ({ listed: await listed() }))
  await feature('committed_offset', async () => {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return { offset: Number(found.partitions[0].offset) }
  })
  await feature('move_group', async () => {
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '5' }] })
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return { offset: Number(found.partitions[0].offset) }
  })
  await feature('shared_group', share)
  await feature('delete_group', async () => {
    await soon(async () => (await described()).state === 'Empty')
    await admin.deleteGroups([groupId])
    return { listed: await listed() }
  })
}

async function share () {
  const [topic, groupId] = [await create('shared', 4), `${prefix}-shared`]
  const owned = []
  const members = []
  const join = async () => {
    const [place, consumer] = [members.length, kafka.consumer({ groupId, heartbeatInterval: 500 })]
    members.push(consumer)
    consumer.on('consumer.group_join', ({ payload }) => { owned[place] = payload.memberAssignment[topic]?.length ?? 0 })
    await consumer.connect()
    await consumer.subscribe({ topic })
    await consumer.run({ eachMessage: async () => {} })
  }
  await join()
  await soon(() => owned[0] === 4)
  const alone = owned[0]
  await join()
  await soon(() => owned[0] === 2 && owned[1] === 2)
  await Promise.all(members.map(member => member.disconnect()))
  return { alone, each: owned }
}

async function acks () {
  const topic = await create('acks', 1)
  for (const [n, wanted] of [0, 1, -1].entries()) {
    await producer.send({ topic, acks: wanted, messages: messages(n * 10, n * 10 + 10) })
  }
  return { records: (await readAll(topic, 30)).length }
}

// A consumer of a group that nobody needs again, with the topic's records in `arrivals`.
async function reader (topic) {
  const groupId = `${prefix}-reader-${readers++}`
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200, sessionTimeout: 6_000, heartbeatInterval: 500 })
  const arrivals = new Arrivals()
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => arrivals.push(message) })
  return { consumer, arrivals }
}

async function seek () {
  const topic = await create('times', 1)
  await send(producer, topic, 0, 10)
  await pause(50)
  const now = Date.now()
  await send(producer, topic, 10, 20)
  const { consumer, arrivals } = await reader(topic)
  await arrivals.first(20)
  const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, now)
  consumer.seek({ topic, partition: 0, offset })
  const again = (await arrivals.first(21))[20]
  await consumer.disconnect()
  return { first_read: Number(again.offset) }
}

async function pauseAndResume () {
  const topic = await create('paused', 1)
  const { consumer, arrivals } = await reader(topic)
  consumer.pause([{ topic }])
  await send(producer, topic, 0, 20)
  await pause(1000)
  const whilePaused = arrivals.records.length
  consumer.resume([{ topic }])
  const after = (await arrivals.first(20)).length
  await consumer.disconnect()
  return { while_paused: whilePaused, after }
}

async function transactions () {
  const topic = await create('transactions', 1)
  const begin = async id => {
    const made = kafka.producer({ transactionalId: `${prefix}-${id}`, maxInFlightRequests: 1, idempotent: true })
    await made.connect()
    return made
  }
  await feature('idempotent', async () => {
    const counted = await create('idempotent', 1)
    const sender = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await sender.connect()
    for (const n of range(0, 5)) await send(sender, counted, n * 20, n * 20 + 20)
    await sender.disconnect()
    return { records: (await readAll(counted, 100)).length }
  })
  await feature('transactions', async () => {
    const sender = await begin('transactional')
    for (const [n, end] of ['commit', 'abort', 'commit'].entries()) {
      const transaction = await sender.transaction()
      await send(transaction, topic, n * 10, n * 10 + 10)
      await transaction[end]()
    }
    await sender.disconnect()
    const committed = await readAll(topic, 20)
    const uncommitted = await readAll(topic, 30, { readUncommitted: true })
    return { committed: committed.length, uncommitted: uncommitted.length, after_the_aborted: String(committed[10].key) }
  })
  await feature('transaction_offsets', async () => {
    const [consumerGroupId, sink, sender] = [`${prefix}-transform`, await create('sink', 1), await begin('transform')]
    const transaction = await sender.transaction()
    await send(transaction, sink, 0, 10)
    await transaction.sendOffsets({ consumerGroupId, topics: [{ topic, partitions: [{ partition: 0, offset: '10' }] }] })
    await transaction.commit()
    await sender.disconnect()
    const offset = async () => Number((await admin.fetchOffsets({ groupId: consumerGroupId, topics: [topic] }))[0].partitions[0].offset)
    await soon(async () => await offset() === 10)
    return { offset: await offset(), records: (await readAll(sink, 10)).length }
  })
  await feature('fenced', async () => {
    const older = await begin('fenced')
    const open = await older.transaction()
    await send(open, topic, 0, 1)
    const newer = await begin('fenced')
    const fresh = await newer.transaction()
    await send(fresh, topic, 1, 2)
    await fresh.commit()
    const code = await codeOf(send(open, topic, 2, 3))
    await Promise.allSettled([older.disconnect(), newer.disconnect()])
    return { fenced: code === 47 || code === 90 }
  })
}

async function offsets () {
  const topic = await create('offsets', 1)
  await feature('list_offsets', async () => {
    await send(producer, topic, 0, 20)
    const [{ low, high }] = await admin.fetchTopicOffsets(topic)
    return { earliest: Number(low), latest: Number(high) }
  })
  await feature('offsets_for_times', async () => {
    const time = Number((await readAll(topic, 20))[0].timestamp)
    const at = async ms => Number((await admin.fetchTopicOffsetsByTimestamp(topic, ms))[0].offset)
    return { at_first: await at(time), later: await at(Date.now() + 3_600_000) }
  })
  await feature('delete_records', async () => {
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] })
    const [{ low }] = await admin.fetchTopicOffsets(topic)
    return { earliest: Number(low), first_read: Number((await readAll(topic, 1))[0].offset) }
  })
  await feature('delete_topic', async () => {
    await admin.deleteTopics({ topics: [topic] })
    return { gone: await soon(async () => !(await admin.listTopics()).includes(topic)) }
  })
  if (tellsNumbers) await feature('delete_unknown', async () => ({ code: await codeOf(admin.deleteTopics({ topics: [`${prefix}-never`] })) }))
}

await topics()
for (const name of codecs) await codec(name)
await feature('acks', acks)
await large()
await group()
await transactions()
await offsets()
await feature('seek_to_time', seek)
await feature('pause_resume', pauseAndResume)
await Promise.all([admin.disconnect(), producer.disconnect()])
process.exit(0)
