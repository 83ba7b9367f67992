// `callStats` against a plain computation over the lines of `query --all`: by steps of time in a zone whose clocks
// change. Intl.DateTimeFormat takes the zone's rules from ICU, which the gateway does not use.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { startGateway } from './gateway.mjs'
import { suiteTimeout } from './limits.mjs'

const count = 20_000
const timeZone = 'Europe/Paris' // Its clocks change on 2026-03-29 at 01:00 UTC, and on 2026-10-25 at 01:00 UTC.
const newest = Date.parse('2026-11-05T12:00:00Z')
const minute = 60_000
const results = ['human', 'voicemail', 'ivr', 'unknown', null]
/** The relative error of percentiles that docs/filtering.md promises. */
const accuracy = 0.01

/** A number that looks random, below a bound. */
const mix = (n, salt, below) => ((Math.imul(n + 1, 2654435761) ^ Math.imul(salt, 40503)) >>> 8) % below

/** Returns call n of the list, the newest first, as Revox has it: one in about 20 minutes. */
function callAt(n) {
  const started = newest - n * 20 * minute - mix(n, 1, 10 * minute)
  const answered = mix(n, 2, 3) > 0 && started + mix(n, 3, 40_000)
  const ended = answered && mix(n, 4, 9) > 0 && answered + mix(n, 5, 600_000)
  return {
    id: `call-${n}`,
    status: 'completed',
    result: results[mix(n, 6, results.length)],
    started_at: mix(n, 7, 50) > 0 ? new Date(started).toISOString() : null,
    answered_at: answered ? new Date(answered).toISOString() : null,
    ended_at: ended ? new Date(ended).toISOString() : null,
  }
}

/** Serves the calls as Revox does. */
async function startUpstream() {
  const server = createServer((request, response) => {
    const parameters = new URL(request.url, 'http://upstream').searchParams
    const [page, size] = [Number(parameters.get('page')), Number(parameters.get('page_size'))]
    const rows = Math.max(0, Math.min(size, count - page * size))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ calls: Array.from({ length: rows }, (_, i) => callAt(page * size + i)) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const clock = new Intl.DateTimeFormat('en-CA', {
  timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  timeZoneName: 'longOffset',
})

/** What the clocks of the zone show, as texts: `day` is 2026-10-25, `time` 02:30:00 and `offset` GMT+01:00. */
function shown(time) {
  const part = Object.fromEntries(clock.formatToParts(new Date(time)).map(({ type, value }) => [type, value]))
  return { day: `${part.year}-${part.month}-${part.day}`, time: `${part.hour}:${part.minute}:${part.second}`, offset: part.timeZoneName }
}

/** The step that a moment is in, by what the clocks show. Two hours of one name differ by their offset. */
const steps = {
  HOUR: ({ day, time, offset }) => `${day} ${time.slice(0, 2)} ${offset}`,
  DAY: ({ day }) => day,
  WEEK({ day }) {
    const date = new Date(`${day}T00:00:00Z`)
    date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7)) // Back to Monday.
    return date.toISOString().slice(0, 10)
  },
  MONTH: ({ day }) => `${day.slice(0, 7)}-01`,
}

/** Counts calls in groups. `nameOf` returns the name of a call's group. */
function computed(calls, nameOf) {
  const groups = new Map()
  for (const call of calls) {
    const name = nameOf(call)
    if (!groups.has(name)) groups.set(name, { count: 0, answered: 0, milliseconds: [] })
    const group = groups.get(name)
    group.count++
    if (call.answeredAt) group.answered++
    if (call.durationSeconds !== null) group.milliseconds.push(Math.round(call.durationSeconds * 1000))
  }
  return groups
}

/** Fails unless a group of `callStats` has the numbers that were computed. */
function checkGroup(name, group, { count, answered, milliseconds }) {
  const { total, average, p50, p90, max } = group.durationSeconds
  const sum = milliseconds.reduce((sum, one) => sum + one, 0)
  assert.deepEqual([group.count, group.answered, total], [count, answered, sum / 1000], name)
  if (milliseconds.length === 0) return assert.deepEqual([average, p50, p90, max], [null, null, null, null], name)
  const sorted = milliseconds.toSorted((a, b) => a - b)
  assert.deepEqual([average, max], [sum / sorted.length / 1000, sorted.at(-1) / 1000], name)
  for (const [q, got] of [[0.5, p50], [0.9, p90]]) {
    const rank = q * (sorted.length - 1)
    // Either may be the percentile, if it is between two values.
    const [low, high] = [sorted[Math.floor(rank)], sorted[Math.ceil(rank)]]
    const halfMillisecond = 0.5 // Percentiles are rounded to milliseconds.
    assert.ok(got * 1000 >= low * (1 - accuracy) - halfMillisecond && got * 1000 <= high * (1 + accuracy) + halfMillisecond,
      `${name}: ${got} s at ${q}, between ${low} and ${high} ms`)
  }
}

describe('callStats', { timeout: suiteTimeout }, () => {
  let upstream, gateway, calls
  before(async () => {
    upstream = await startUpstream()
    const settings = {
      REVOX_API_KEY: 'key',
      REVOX_BASE_URL: `http://127.0.0.1:${upstream.address().port}/api`,
      GATEWAY_UPSTREAM_FIRST_PAGE: '0',
      GATEWAY_MAX_SCAN_PAGES: '200',
    }
    gateway = await startGateway(settings)
    const args = ['query', '--all', '--columns', 'id,startedAt,answeredAt,durationSeconds,result']
    const env = { ...settings, PATH: process.env.PATH }
    const { stdout } = await promisify(execFile)(process.env.GATEWAY_BIN, args, { env, maxBuffer: 64 << 20 })
    calls = stdout.trim().split('\n').map((line) => JSON.parse(line))
    assert.equal(calls.length, count)
  })
  after(async () => {
    await gateway?.stop()
    upstream?.close()
  })

  const groupFields = 'count answered durationSeconds { total average p50 p90 max }'
  const ask = async (variables) => {
    const { callStats } = await gateway.query(
      `query ($filter: CallFilter, $groupBy: [CallStatsKey!], $every: TimeStep, $timeZone: String) {
        callStats(filter: $filter, groupBy: $groupBy, every: $every, timeZone: $timeZone) {
          count groups { from result ${groupFields} } scan { examined complete }
        }
      }`, variables)
    assert.equal(callStats.scan.complete, true)
    return callStats
  }

  /** Fails unless the groups are those that were computed, and each begins when its step does. */
  const check = ({ groups }, expected, every) => {
    assert.equal(groups.length, expected.size)
    for (const group of groups) {
      const begins = group.from && shown(group.from)
      if (begins) assert.equal(begins.time, every === 'HOUR' ? `${begins.time.slice(0, 2)}:00:00` : '00:00:00')
      const name = `${begins ? steps[every](begins) : 'not started'} ${group.result ?? 'none'}`
      assert.ok(expected.has(name), `no call is of ${name}`)
      if (begins && every !== 'HOUR') assert.equal(begins.day, steps[every](begins))
      checkGroup(name, group, expected.get(name))
    }
  }

  for (const every of ['DAY', 'WEEK', 'MONTH']) {
    const groupBy = every === 'DAY' ? [] : ['RESULT'] // A thousand groups at most.
    it(`by ${every} in ${timeZone}`, async (t) => {
      const stats = await ask({ every, timeZone, groupBy })
      assert.equal(stats.count, count)
      check(stats, computed(calls, ({ startedAt, result }) =>
        `${startedAt ? steps[every](shown(startedAt)) : 'not started'} ${(groupBy.length && result) || 'none'}`), every)
      t.diagnostic(`${stats.groups.length} groups`)
    })
  }

  for (const [change, day, hours] of [['forward', '2026-03-29', 23], ['back', '2026-10-25', 25]]) {
    it(`by HOUR of the day on which the clocks are put ${change}`, async () => {
      const startedAt = { from: `${day}T00:00:00${change === 'back' ? '+02:00' : '+01:00'}` }
      startedAt.before = new Date(Date.parse(startedAt.from) + hours * 60 * minute).toISOString()
      const of = calls.filter((call) => call.startedAt && shown(call.startedAt).day === day)
      const stats = await ask({ every: 'HOUR', timeZone, filter: { startedAt } })
      assert.equal(stats.count, of.length)
      assert.equal(stats.groups.length, hours)
      check(stats, computed(of, (call) => `${steps.HOUR(shown(call.startedAt))} none`), 'HOUR')
    })
  }

  it('of all calls', async () => {
    const { groups } = await ask({})
    checkGroup('all', groups[0], computed(calls, () => 'all').get('all'))
  })
})
