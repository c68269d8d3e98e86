// The ordinary use of @platformatic/kafka.
import {
  Admin, ConfigResourceTypes, Consumer, FetchIsolationLevels, IncrementalAlterConfigOperationTypes, ListOffsetTimestamps,
  MessagesStreamModes, Producer, stringDeserializers, stringSerializers
} from '@platformatic/kafka'
import {
  Arrivals, bootstrap, equalRecords, feature, header, key, pause, prefix, range, restartBroker, soon, value
} from './facts.mjs'

const common = { clientId: 'compat', bootstrapBrokers: bootstrap.split(','), retries: 3 }
const admin = new Admin(common)
const connect = options => new Producer({ ...common, serializers: stringSerializers, ...options })
const producer = connect()

// The number of Kafka's error; it is somewhere inside.
async function codeOf (promise) {
  try {
    await promise
    return 0
  } catch (error) {
    const found = search(error)
    if (found === undefined) throw error
    return found
  }
}

function search (error) {
  if (!error) return undefined
  if (error.apiCode !== undefined) return error.apiCode
  return [error.cause, ...(error.errors ?? [])].map(search).find(code => code !== undefined)
}

const partitions = async topic => (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic).partitionsCount

async function create (name, count) {
  const topic = `${prefix}-${name}`
  await admin.createTopics({ topics: [topic], partitions: count, replicas: 1 })
  return topic
}

const messages = (topic, first, end) => range(first, end).map(i => ({ topic, key: key(i), value: value(i), headers: { h: header(i) } }))
const send = (sender, topic, first, end) => sender.send({ messages: messages(topic, first, end), acks: -1 })

const member = (groupId, options = {}) =>
  new Consumer({ ...common, groupId, deserializers: stringDeserializers, maxWaitTime: 200, sessionTimeout: 10_000, heartbeatInterval: 500, ...options })

// Takes so many messages, or what comes in a while.
async function read (stream, count) {
  const arrivals = new Arrivals()
  stream.on('data', message => arrivals.push(message))
  return arrivals.first(count)
}

let readers = 0

async function readAll (topic, count, isolationLevel = FetchIsolationLevels.READ_UNCOMMITTED) {
  const consumer = member(`${prefix}-reader-${readers++}`, { isolationLevel, autocommit: false })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
  const got = await read(stream, count)
  await stream.close()
  await consumer.close()
  return got
}

async function topics () {
  const topic = `${prefix}-topic`
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
  await feature('create_topic', async () => {
    await create('topic', 3)
    await soon(async () => await partitions(topic) === 3)
    return { partitions: await partitions(topic) }
  })
  await feature('create_existing', async () => ({ code: await codeOf(create('topic', 3)) }))
  await feature('create_invalid', async () => ({ code: await codeOf(create('not a name', 3)) }))
  await feature('create_partitions', async () => {
    await admin.createPartitions({ topics: [{ name: topic, count: 5, assignments: null }] })
    await soon(async () => await partitions(topic) === 5)
    return { partitions: await partitions(topic) }
  })
  await feature('describe_cluster', async () => ({ brokers: (await admin.metadata({ topics: [] })).brokers.size }))
  await feature('configs', async () => {
    const read = async name => {
      const [described] = await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: [name] }] })
      return described.configs[0].value
    }
    const before = await read('retention.ms')
    const set = { name: 'retention.ms', value: '60000', configOperation: IncrementalAlterConfigOperationTypes.SET }
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [set] }] })
    await soon(async () => await read('retention.ms') === '60000')
    return { before, after: await read('retention.ms'), cleanup_policy: await read('cleanup.policy') }
  })
}

async function codec (name) {
  await feature(`produce_${name}`, async () => {
    const topic = await create(name, 1)
    await producer.send({ messages: messages(topic, 0, 20), compression: name, acks: -1 })
    return equalRecords(await readAll(topic, 20), { key: r => r.key, value: r => r.value, header: r => r.headers.get('h') })
  })
}

async function large () {
  const topic = await create('large', 1)
  const one = size => producer.send({ messages: [{ topic, value: 'x'.repeat(size) }], acks: -1 })
  await feature('large_message', async () => {
    await one(900_000)
    return { bytes: (await readAll(topic, 1))[0].value.length }
  })
  await feature('too_large', async () => ({ code: await codeOf(one(2_000_000)) }))
}

async function acks () {
  const topic = await create('acks', 1)
  for (const [n, wanted] of [0, 1, -1].entries()) {
    await producer.send({ messages: messages(topic, n * 10, n * 10 + 10), acks: wanted })
  }
  return { records: (await readAll(topic, 30)).length }
}

// Opens a consumer of the same topic from an offset, as who seeks does it here.
async function seek () {
  const topic = await create('times', 1)
  await send(producer, topic, 0, 10)
  await pause(50)
  const timestamp = BigInt(Date.now())
  await send(producer, topic, 10, 20)
  const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] })
  const consumer = member(`${prefix}-reader-${readers++}`, { autocommit: false })
  const offsets = [{ topic, partition: 0, offset: found.partitions[0].offset }]
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.MANUAL, offsets })
  const [first] = await read(stream, 1)
  await stream.close()
  await consumer.close()
  return { first_read: Number(first.offset) }
}

async function share () {
  const [topic, groupId] = [await create('shared', 4), `${prefix}-shared`]
  const members = [member(groupId), member(groupId)]
  const owned = () => members.map(one => one.assignments?.find(found => found.topic === topic)?.partitions.length ?? 0)
  const join = one => one.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
  const streams = [await join(members[0])]
  await soon(() => owned()[0] === 4)
  const [alone] = owned()
  streams.push(await join(members[1]))
  await soon(() => owned().every(count => count === 2))
  const each = owned()
  await Promise.all(streams.map(stream => stream.close()))
  await Promise.all(members.map(one => one.close()))
  return { alone, each }
}

async function group () {
  const [topic, groupId] = [await create('group', 1), `${prefix}-group`]
  const reading = { topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest', autocommit: false }
  const listed = async () => (await admin.listGroups()).has(groupId)
  const described = async () => (await admin.describeGroups({ groups: [groupId] })).get(groupId)
  const join = async () => {
    const consumer = member(groupId)
    const stream = await consumer.consume(reading)
    return { stream, leave: async () => { await stream.close(); await consumer.close() } }
  }
  await feature('group_resume', async () => {
    await send(producer, topic, 0, 20)
    const one = await join()
    const records = await read(one.stream, 10)
    await records[9].commit()
    await one.leave()
    const other = await join()
    const rest = await read(other.stream, 10)
    await other.leave()
    return { first: records.length, resumed_at: Number(rest[0].offset), rest: rest.length }
  })
  await feature('describe_group', async () => {
    const one = await join()
    const { state, members } = await described()
    await one.leave()
    return { state, members: members.size }
  })
  await feature('list_groups', async () => ({ listed: await listed() }))
  await feature('committed_offset', async () => {
    const [found] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
    return { offset: Number(found.topics[0].partitions[0].committedOffset) }
  })
  await feature('move_group', async () => {
    await admin.alterConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 5n }] }] })
    const [found] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
    return { offset: Number(found.topics[0].partitions[0].committedOffset) }
  })
  await feature('shared_group', share)
  await feature('delete_group', async () => {
    await soon(async () => (await described()).state.toLowerCase() === 'empty')
    await admin.deleteGroups({ groups: [groupId] })
    return { listed: await listed() }
  })
  await feature('consumer_protocol', async () => {
    const consumer = new Consumer({ ...common, groupId: `${prefix}-consumer`, groupProtocol: 'consumer', maxWaitTime: 200 })
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
    const got = await read(stream, 20)
    await stream.close()
    await consumer.close()
    return { records: got.length }
  })
}

async function reconnect () {
  const [topic, consumer] = [await create('reconnect', 1), member(`${prefix}-reconnect`, { autocommit: false, retries: 30, retryDelay: 500 })]
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
  const arrivals = new Arrivals()
  stream.on('data', message => arrivals.push(message))
  stream.on('error', () => {}) // that the broker was away
  await send(producer, topic, 0, 10)
  const before = await arrivals.first(10)
  await before[9].commit()
  await restartBroker()
  await send(producer, topic, 10, 20)
  const after = (await arrivals.first(20)).slice(10)
  await Promise.allSettled([stream.close(), consumer.close()])
  return { before: before.length, after: after.length, resumed_at: Number(after[0]?.offset) }
}

async function transactions () {
  const topic = await create('transactions', 1)
  const begin = id => connect({ transactionalId: `${prefix}-${id}`, idempotent: true })
  await feature('idempotent', async () => {
    const counted = await create('idempotent', 1)
    const sender = connect({ idempotent: true })
    for (const n of range(0, 5)) await send(sender, counted, n * 20, n * 20 + 20)
    await sender.close()
    return { records: (await readAll(counted, 100)).length }
  })
  await feature('transactions', async () => {
    const sender = begin('transactional')
    for (const [n, end] of ['commit', 'abort', 'commit'].entries()) {
      const transaction = await sender.beginTransaction()
      await send(transaction, topic, n * 10, n * 10 + 10)
      await transaction[end]()
    }
    await sender.close()
    const committed = await readAll(topic, 20, FetchIsolationLevels.READ_COMMITTED)
    const uncommitted = await readAll(topic, 30)
    return { committed: committed.length, uncommitted: uncommitted.length, after_the_aborted: committed[10].key }
  })
  await feature('transaction_offsets', async () => {
    const [groupId, sink, sender] = [`${prefix}-transform`, await create('sink', 1), begin('transform')]
    const consumer = member(groupId, { autocommit: false })
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
    const records = await read(stream, 10)
    const transaction = await sender.beginTransaction()
    await transaction.addConsumer(consumer)
    await send(transaction, sink, 0, 10)
    await transaction.addOffset(records[9])
    await transaction.commit()
    await stream.close()
    await Promise.all([consumer.close(), sender.close()])
    const offset = async () => Number((await admin.listConsumerGroupOffsets({ groups: [groupId] }))[0].topics[0]?.partitions[0].committedOffset)
    await soon(async () => await offset() === 10)
    return { offset: await offset(), records: (await readAll(sink, 10, FetchIsolationLevels.READ_COMMITTED)).length }
  })
}

async function offsets () {
  const topic = await create('offsets', 1)
  const at = async timestamp => {
    const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] })
    return Number(found.partitions[0].offset)
  }
  await feature('list_offsets', async () => {
    await send(producer, topic, 0, 20)
    return { earliest: await at(ListOffsetTimestamps.EARLIEST), latest: await at(ListOffsetTimestamps.LATEST) }
  })
  await feature('offsets_for_times', async () => {
    const [{ timestamp }] = await readAll(topic, 1)
    return { at_first: await at(timestamp), later: await at(BigInt(Date.now() + 3_600_000)) }
  })
  await feature('delete_records', async () => {
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 5n }] }] })
    return { earliest: await at(ListOffsetTimestamps.EARLIEST), first_read: Number((await readAll(topic, 1))[0].offset) }
  })
  await feature('delete_topic', async () => {
    await admin.deleteTopics({ topics: [topic] })
    return { gone: await soon(async () => !(await admin.listTopics()).includes(topic)) }
  })
  await feature('delete_unknown', async () => ({ code: await codeOf(admin.deleteTopics({ topics: [`${prefix}-never`] })) }))
}

await topics()
for (const name of ['none', 'gzip', 'snappy', 'lz4']) await codec(name)
await feature('acks', acks)
await large()
await group()
await transactions()
await offsets()
await feature('seek_to_time', seek)
await feature('reconnect', reconnect)
await Promise.all([admin.close(), producer.close()])
process.exit(0)
