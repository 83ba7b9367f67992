// Measures the CPU time of filters over cached pages, and of the same filters in JavaScript over the responses to
// unfiltered queries. Linux only. It prints the table of docs/performance.md:
//
//	GATEWAY_BIN=bin/revox-graphql node test/acceptance/filters-cpu.mjs
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { startGateway } from './gateway.mjs'

const rounds = 7
const requests = 30 // Per round: the gateway's CPU time is known in steps of 10 ms.
const pageRows = 200

// No transcript contains this text, so each is searched to its end.
const absent = 'a text that nobody says'
const filters = [
  {
    name: 'without text: `result` and `durationSeconds`',
    filter: { result: ['HUMAN'], durationSeconds: { min: 240 } },
    selection: 'id result durationSeconds',
    passes: { 'compared': (call) => call.result === 'HUMAN' && call.durationSeconds >= 240 },
  },
  {
    name: 'with text: `transcript`',
    filter: { transcript: { contains: absent } },
    selection: 'id transcript { content }',
    passes: {
      'toLowerCase().includes()': said((text) => text.toLowerCase()),
      "normalize('NFC').toLowerCase().includes()": said((text) => text.normalize('NFC').toLowerCase()),
    },
    text: (call) => (call.transcript ?? []).reduce((bytes, entry) => bytes + Buffer.byteLength(entry.content), 0),
  },
]

function said(fold) {
  const wanted = fold(absent)
  return (call) => (call.transcript ?? []).some((entry) => fold(entry.content).includes(wanted))
}

const gateway = await startGateway({
  GATEWAY_MAX_SCAN_PAGES: '200',
  GATEWAY_UPSTREAM_MAX_REQUESTS: '1000',
  GATEWAY_CACHE_TTL: '1h',
  GATEWAY_LOG_REQUESTS: 'false',
})
try {
  const { callStats } = await gateway.query('{ callStats { count } }') // Caches all pages.
  console.log(`${callStats.count} calls, medians of ${rounds} rounds, CPU time for ${pageRows} calls\n`)
  console.log('| filter | where | µs of CPU | MB of text per second |')
  console.log('| --- | --- | ---: | ---: |')
  for (const measured of filters) await measure(measured, callStats.count)
} finally {
  await gateway.stop()
}

async function measure({ name, filter, selection, passes, text }, count) {
  await allCalls(selection, 'First') // Caches these pages too.
  const before = await gatewayCPU()
  const bodies = await allCalls(selection, 'Second')
  const unfiltered = (await gatewayCPU()) - before
  const calls = bodies.flatMap((body) => JSON.parse(body).data.calls.nodes)
  const bytes = text && calls.reduce((sum, call) => sum + text(call), 0)
  const print = (where, microseconds) => {
    const rate = bytes && !where.includes('unfiltered') ? Math.round(bytes / microseconds) : '' // Bytes per microsecond are megabytes per second.
    console.log(`| ${name} | ${where} | ${Math.round((microseconds * pageRows) / calls.length)} | ${rate} |`)
  }
  const filtered = `query ($filter: CallFilter) { calls(first: 0, filter: $filter) { totalCount } }`
  const { calls: expected } = await gateway.query(filtered, { filter })
  const ticks = []
  for (let round = 0; round < rounds; round++) {
    const before = await gatewayCPU()
    for (let n = 0; n < requests; n++) {
      await gateway.query(filtered.replace('totalCount', `r${round}n${n}: totalCount`), { filter }) // Not from the response cache.
    }
    ticks.push((await gatewayCPU()) - before)
  }
  print('this gateway: the filtered request', median(ticks) / requests)
  const megabytes = Math.round(bodies.reduce((sum, body) => sum + Buffer.byteLength(body), 0) / 1e6)
  print(`this gateway: unfiltered responses, ${megabytes} MB`, unfiltered)
  for (const [how, test] of Object.entries(passes)) {
    const times = []
    for (let round = 0; round < rounds; round++) {
      const before = process.cpuUsage()
      let matches = 0
      for (const body of bodies) matches += JSON.parse(body).data.calls.nodes.filter(test).length
      const { user, system } = process.cpuUsage(before)
      times.push(user + system)
      assert.equal(matches, expected.totalCount)
    }
    print(`JavaScript with these: JSON.parse and ${how}`, median(times))
  }
  assert.equal(calls.length, count)
}

/** Returns the bodies of the responses with all calls, 100 in each. A new operation name avoids cached responses. */
async function allCalls(selection, name) {
  const bodies = []
  for (let after = null, more = true; more; ) {
    const response = await fetch(gateway.graphql, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'accept-encoding': 'identity' }, // Compression would take longer than the rest.
      body: JSON.stringify({
        query: `query ${name}($after: String) { calls(first: 100, after: $after) { nodes { ${selection} } pageInfo { hasNextPage endCursor } } }`,
        variables: { after },
      }),
    })
    const body = await response.text()
    const { pageInfo } = JSON.parse(body).data.calls
    bodies.push(body)
    ;({ hasNextPage: more, endCursor: after } = pageInfo)
  }
  return bodies
}

/** Returns the CPU time that the gateway's process has taken, in microseconds. */
async function gatewayCPU() {
  const stat = await readFile(`/proc/${gateway.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticksPerSecond = 100 // USER_HZ, the same on every architecture that Go supports.
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}
