// Prints what a program saw: one line of JSON for each feature. An error is a fact as well.

import { once } from 'node:events'
import { createInterface } from 'node:readline'

export const [bootstrap, prefix] = process.argv.slice(-2)
export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

// Key, value and header of record number i; a value is long enough to be worth compressing.
export const key = i => `key-${i}`
export const value = i => `value-${i}-${String(i).padStart(200, '0')}`
export const header = i => `header-${i}`

export const range = (first, end) => Array.from({ length: end - first }, (_, i) => first + i)
export const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

const FEATURE_TIMEOUT_MS = 150_000

export async function feature (name, run) {
  let line
  try {
    line = { feature: name, ok: true, ...await Promise.race([run(), late()]) }
  } catch (error) {
    line = { feature: name, ok: false, error: `${error?.message ?? error}` }
  }
  console.log(JSON.stringify(line))
}

async function late () {
  await new Promise(resolve => setTimeout(resolve, FEATURE_TIMEOUT_MS).unref())
  throw new Error(`still at it after ${FEATURE_TIMEOUT_MS} ms`)
}

// Whoever runs this program stops the broker in good order and starts it again.
export async function restartBroker () {
  console.log(JSON.stringify({ please: 'restart the broker' }))
  const lines = createInterface({ input: process.stdin })
  const [answer] = await once(lines, 'line')
  lines.close()
  if (answer !== 'done') throw new Error(`nobody restarted the broker: ${answer}`)
}

// Asks until it is so; a broker may answer before all of it knows.
export async function soon (so) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(50)) {
    if (await so()) return true
  }
  return false
}

// The records that a consumer hands over, for whoever waits for so many.
export class Arrivals {
  records = []

  push (record) {
    this.records.push(record)
  }

  async first (count) {
    await soon(() => this.records.length >= count)
    return this.records.slice(0, count)
  }
}

export function equalRecords (got, parts) {
  const count = so => got.filter(so).length
  return {
    keys: count((record, i) => parts.key(record) === key(i)),
    values: count((record, i) => parts.value(record) === value(i)),
    headers: count((record, i) => parts.header(record) === header(i))
  }
}
