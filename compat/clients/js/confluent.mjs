// The ordinary use of @confluentinc/kafka-javascript by its promises, which are KafkaJS's in shape.
import confluent from '@confluentinc/kafka-javascript'
import {
  Arrivals, bootstrap, equalRecords, feature, header, key, pause, prefix, range, restartBroker, soon, value
} from './facts.mjs'

const { Kafka, ErrorCodes, logLevel } = confluent.KafkaJS
const kafka = new Kafka({ kafkaJS: { brokers: bootstrap.split(','), logLevel: logLevel.NOTHING } })
const admin = kafka.admin()
const connect = async (options = {}) => {
  const made = kafka.producer({ kafkaJS: options, 'linger.ms': 20 })
  await made.connect()
  return made
}
await admin.connect()
const producer = await connect()

async function codeOf (promise) {
  try {
    await promise
    return 0
  } catch (error) {
    const found = [error, ...(error.errors ?? []), ...(error.groups ?? [])].find(one => one.code > 0)
    if (found === undefined) throw error
    return found.code
  }
}

const partitions = async topic => (await admin.fetchTopicMetadata({ topics: [topic] }))[0].partitions.length
const made = (topic, numPartitions) => admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] })

async function create (name, count) {
  const topic = `${prefix}-${name}`
  await made(topic, count)
  await soon(async () => (await admin.listTopics()).includes(topic))
  return topic
}

const messages = (first, end) => range(first, end).map(i => ({ key: key(i), value: value(i), headers: { h: header(i) } }))
const send = (sender, topic, first, end) => sender.send({ topic, messages: messages(first, end) })

let readers = 0

// A consumer with what it reads of a topic, from the start or from where its group is.
async function join (topic, groupId = `${prefix}-reader-${readers++}`, options = {}, settings = {}) {
  const consumer = kafka.consumer({ kafkaJS: { groupId, fromBeginning: true, autoCommit: false, ...options }, ...settings })
  const arrivals = new Arrivals()
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({ eachMessage: async ({ message }) => arrivals.push(message) })
  return { consumer, arrivals, leave: () => consumer.disconnect() }
}

async function readAll (topic, count, options = {}) {
  const { arrivals, leave } = await join(topic, undefined, options)
  const got = await arrivals.first(count)
  await leave()
  return got
}

async function topics () {
  const topic = `${prefix}-topic`
  await feature('create_topic', async () => {
    await create('topic', 3)
    return { partitions: await partitions(topic) }
  })
  await feature('create_existing', async () => ({ created: await made(topic, 3) }))
  await feature('create_invalid', async () => ({ code: await codeOf(made(`${prefix} not a name`, 3)) }))
  await feature('unknown_topic', async () => ({ code: await codeOf(admin.fetchTopicMetadata({ topics: [`${prefix}-never`] })) }))
}

async function codec (name) {
  await feature(`produce_${name}`, async () => {
    const topic = await create(name, 1)
    const sender = await connect({ compression: name })
    await send(sender, topic, 0, 20)
    await sender.disconnect()
    const parts = { key: r => String(r.key), value: r => String(r.value), header: r => String(r.headers.h) }
    return equalRecords(await readAll(topic, 20), parts)
  })
}

async function acks () {
  const topic = await create('acks', 1)
  for (const [n, wanted] of [0, 1, -1].entries()) {
    const sender = await connect({ acks: wanted })
    await send(sender, topic, n * 10, n * 10 + 10)
    await sender.disconnect()
  }
  return { records: (await readAll(topic, 30)).length }
}

async function large () {
  const topic = await create('large', 1)
  await feature('large_message', async () => {
    await producer.send({ topic, messages: [{ value: Buffer.alloc(900_000) }] })
    return { bytes: (await readAll(topic, 1))[0].value.length }
  })
  await feature('too_large', async () => {
    const sender = kafka.producer({ 'message.max.bytes': 5_000_000 })
    await sender.connect()
    const code = await codeOf(sender.send({ topic, messages: [{ value: Buffer.alloc(2_000_000) }] }))
    await sender.disconnect()
    return { code }
  })
}

const described = async groupId => (await admin.describeGroups([groupId])).groups[0]
const listed = async groupId => (await admin.listGroups()).groups.some(group => group.groupId === groupId)
const committed = async (groupId, topic) =>
  Number((await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset)

async function share () {
  const [topic, groupId] = [await create('shared', 4), `${prefix}-shared`]
  const owned = member => member.consumer.assignment().length
  const first = await join(topic, groupId, { heartbeatInterval: 500 })
  await soon(() => owned(first) === 4)
  const alone = owned(first)
  const second = await join(topic, groupId)
  await soon(() => owned(first) === 2 && owned(second) === 2)
  const each = [owned(first), owned(second)]
  await Promise.all([first.leave(), second.leave()])
  return { alone, each }
}

async function group () {
  const [topic, groupId] = [await create('group', 1), `${prefix}-group`]
  const stateName = number => Object.entries(confluent.ConsumerGroupStates).find(([, state]) => state === number)[0]
  await feature('group_resume', async () => {
    await send(producer, topic, 0, 20)
    const one = await join(topic, groupId)
    const records = await one.arrivals.first(10)
    await one.consumer.commitOffsets([{ topic, partition: 0, offset: String(Number(records[9].offset) + 1) }])
    await one.leave()
    const other = await join(topic, groupId)
    const rest = await other.arrivals.first(10)
    await other.leave()
    return { first: records.length, resumed_at: Number(rest[0].offset), rest: rest.length }
  })
  await feature('describe_group', async () => {
    const one = await join(topic, groupId)
    await soon(() => one.consumer.assignment().length === 1)
    const { state, members } = await described(groupId)
    await one.leave()
    return { state: stateName(state), members: members.length }
  })
  await feature('list_groups', async () => ({ listed: await listed(groupId) }))
  await feature('committed_offset', async () => ({ offset: await committed(groupId, topic) }))
  await feature('shared_group', share)
  await feature('delete_group', async () => {
    await soon(async () => (await described(groupId)).members.length === 0)
    await admin.deleteGroups([groupId])
    return { listed: await listed(groupId) }
  })
  await feature('consumer_protocol', async () => {
    const settings = { 'group.id': `${prefix}-consumer`, 'group.protocol': 'consumer', 'auto.offset.reset': 'earliest' }
    const consumer = kafka.consumer(settings)
    const arrivals = new Arrivals()
    await consumer.connect()
    await consumer.subscribe({ topic })
    await consumer.run({ eachMessage: async ({ message }) => arrivals.push(message) })
    const got = await arrivals.first(20)
    await consumer.disconnect()
    return { records: got.length }
  })
}

async function transactions () {
  const topic = await create('transactions', 1)
  await feature('idempotent', async () => {
    const [counted, sender] = [await create('idempotent', 1), await connect({ idempotent: true })]
    for (const n of range(0, 5)) await send(sender, counted, n * 20, n * 20 + 20)
    await sender.disconnect()
    return { records: (await readAll(counted, 100)).length }
  })
  await feature('transactions', async () => {
    const sender = await connect({ transactionalId: `${prefix}-transactional` })
    for (const [n, end] of ['commit', 'abort', 'commit'].entries()) {
      const transaction = await sender.transaction()
      await send(transaction, topic, n * 10, n * 10 + 10)
      await transaction[end]()
    }
    await sender.disconnect()
    const done = await readAll(topic, 20)
    const uncommitted = await readAll(topic, 30, { readUncommitted: true })
    return { committed: done.length, uncommitted: uncommitted.length, after_the_aborted: String(done[10].key) }
  })
  await feature('transaction_offsets', async () => {
    const [groupId, sink] = [`${prefix}-transform`, await create('sink', 1)]
    const [{ consumer, arrivals, leave }, sender] = [await join(topic, groupId), await connect({ transactionalId: groupId })]
    await arrivals.first(10)
    const transaction = await sender.transaction()
    await send(transaction, sink, 0, 10)
    await transaction.sendOffsets({ consumer, topics: [{ topic, partitions: [{ partition: 0, offset: '10' }] }] })
    await transaction.commit()
    await Promise.all([leave(), sender.disconnect()])
    await soon(async () => await committed(groupId, topic) === 10)
    return { offset: await committed(groupId, topic), records: (await readAll(sink, 10)).length }
  })
  await feature('fenced', async () => {
    const transactionalId = `${prefix}-fenced`
    const older = await connect({ transactionalId })
    const open = await older.transaction()
    await send(open, topic, 0, 1)
    const newer = await connect({ transactionalId })
    const fresh = await newer.transaction()
    await send(fresh, topic, 1, 2)
    await fresh.commit()
    const seen = await send(open, topic, 2, 3).then(() => 0, error => error.code)
    await Promise.allSettled([older.disconnect(), newer.disconnect()])
    return { fenced: [47, 90, ErrorCodes.ERR__FENCED].includes(seen) }
  })
}

async function offsets () {
  const topic = await create('offsets', 1)
  const at = async ms => Number((await admin.fetchTopicOffsetsByTimestamp(topic, ms))[0].offset)
  await feature('list_offsets', async () => {
    await send(producer, topic, 0, 20)
    const [{ low, high }] = await admin.fetchTopicOffsets(topic)
    return { earliest: Number(low), latest: Number(high) }
  })
  await feature('offsets_for_times', async () => {
    const first = Number((await readAll(topic, 20))[0].timestamp)
    return { at_first: await at(first), later: await at(Date.now() + 3_600_000) }
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
  await feature('delete_unknown', async () => ({ code: await codeOf(admin.deleteTopics({ topics: [`${prefix}-never`] })) }))
}

async function seek () {
  const topic = await create('times', 1)
  await send(producer, topic, 0, 10)
  await pause(50)
  const now = Date.now()
  await send(producer, topic, 10, 20)
  const { consumer, arrivals, leave } = await join(topic)
  await arrivals.first(20)
  const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, now)
  consumer.seek({ topic, partition: 0, offset: String(offset) })
  const again = (await arrivals.first(21))[20]
  await leave()
  return { first_read: Number(again.offset) }
}

async function pauseAndResume () {
  const topic = await create('paused', 1)
  const { consumer, arrivals, leave } = await join(topic)
  await soon(() => consumer.assignment().length === 1)
  consumer.pause([{ topic }])
  await send(producer, topic, 0, 20)
  await pause(1000)
  const whilePaused = arrivals.records.length
  consumer.resume([{ topic }])
  const after = (await arrivals.first(20)).length
  await leave()
  return { while_paused: whilePaused, after }
}

async function reconnect () {
  const topic = await create('reconnect', 1)
  const { consumer, arrivals, leave } = await join(topic, `${prefix}-reconnect`)
  await send(producer, topic, 0, 10)
  const before = (await arrivals.first(10)).length
  await consumer.commitOffsets([{ topic, partition: 0, offset: '10' }])
  await restartBroker()
  await send(producer, topic, 10, 20)
  const after = (await arrivals.first(20)).slice(10)
  await leave()
  return { before, after: after.length, resumed_at: Number(after[0]?.offset) }
}

await topics()
for (const name of ['none', 'gzip', 'snappy', 'lz4']) await codec(name)
await feature('acks', acks)
await large()
await group()
await transactions()
await offsets()
await feature('seek_to_time', seek)
await feature('pause_resume', pauseAndResume)
await feature('reconnect', reconnect)
await Promise.all([admin.disconnect(), producer.disconnect()])
process.exit(0)
