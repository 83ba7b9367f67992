// What the tests of clients share: a list that moves while a client walks it, and a look at what goes over the wire.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startGateway } from './gateway.mjs'

const patience = 15_000

/** The path of a file below examples/. */
export const example = (path) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url))

/** Calls that arrive fast, and read anew for each page, so that every page finds the list moved. */
export const movingList = {
  GATEWAY_DEMO_CALLS_PER_MINUTE: '1200',
  GATEWAY_CACHE_TTL: '0',
  GATEWAY_UPSTREAM_PAGE_SIZE: '1000',
  GATEWAY_MAX_PAGE_SIZE: '1000',
}

/** Orders that wait to be called, which come and go at the head of the list, and cancelled ones, which stay. */
export const statuses = ['INITIALIZING', 'QUEUED_FOR_CALLING', 'CANCELLED']

/** Waits until calls leave the list too, and notes which are there before a client walks them. */
export async function watchList(gateway) {
  const first = await list(gateway)
  const start = await until('no call leaves', async () => {
    const now = new Set(await list(gateway))
    return first.some((id) => !now.has(id)) && [...now]
  })
  let newest = start[0]
  return {
    /** Waits until another call is at the head of the list. */
    async moves() {
      const before = newest
      newest = await until('no call arrives', async () => {
        const { calls } = await gateway.query(`query ($statuses: [CallOrderStatus!]) { calls(first: 1, statuses: $statuses) { nodes { id } } }`, { statuses })
        return calls.nodes[0].id !== before && calls.nodes[0].id
      })
    },
    /** Fails unless these ids, in the order in which they were received, are the walk that was promised. */
    async check(walked) {
      const now = await list(gateway)
      const seen = new Set(walked)
      assert.equal(seen.size, walked.length, 'no call comes twice')
      assert.deepEqual(start.filter((id) => now.includes(id) && !seen.has(id)), [], 'no call is lost that was there all the time')
      const arrived = now.filter((id) => !start.includes(id)).length
      const left = start.filter((id) => !now.includes(id)).length
      assert.ok(arrived > 0, 'calls arrived meanwhile, or this test proves nothing')
      return `${walked.length} calls walked, while ${arrived} arrived and ${left} left`
    },
  }
}

/** What `ask` gives, once it gives something. */
async function until(failure, ask) {
  for (const end = Date.now() + patience; Date.now() < end; await delay(10)) {
    const found = await ask()
    if (found) return found
  }
  assert.fail(`${failure} within ${patience} ms`)
}

/** The ids of the whole list: as one answer, so no cursor is involved. */
async function list(gateway) {
  const { calls } = await gateway.query(
    `query ($statuses: [CallOrderStatus!]) { calls(first: 1000, statuses: $statuses) { nodes { id } pageInfo { hasNextPage } } }`,
    { statuses },
  )
  assert.equal(calls.pageInfo.hasNextPage, false, 'the list fits one answer')
  return calls.nodes.map(({ id }) => id)
}

/**
 * Records what `fetch` sends and receives until the test ends. Clients merge pages and drop what comes twice, so a test looks
 * here for what the gateway really answered.
 */
export function recordFetch(t) {
  const { fetch } = globalThis
  const exchanges = []
  globalThis.fetch = async (...args) => {
    const request = new Request(...args)
    const exchange = { method: request.method, url: new URL(request.url), headers: request.headers, body: await request.clone().text() }
    const response = await fetch(request)
    exchanges.push(Object.assign(exchange, { type: response.headers.get('content-type'), answer: await response.clone().json() }))
    return response
  }
  t.after(() => (globalThis.fetch = fetch))
  return {
    exchanges,
    /** The ids of all calls in all answers. */
    ids: () => exchanges.flatMap(({ answer }) => answer.data?.calls?.edges ?? []).map(({ node }) => node.id),
  }
}

/** Runs a script of examples/package.json, and gives what it printed. */
export async function runScript(name, gateway) {
  const env = { ...process.env, NO_COLOR: '1', ...(gateway && { GATEWAY_URL: gateway.graphql }) }
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', name], { cwd: example(''), env, timeout: 60_000 })
  return stdout
}

/** Defines a test: a list that a client with a cache shows grows to its end while calls arrive. */
export function itWalks(by, packages, gateway, openList) {
  it(`walks to the end by ${by} while calls arrive: none twice, none lost`, async (t) => {
    await tellVersions(t, ...packages)
    const list = await watchList(gateway())
    const wire = recordFetch(t)
    const shown = await openList({ first: 10, statuses })
    while (shown.hasMore()) {
      await list.moves()
      await shown.more()
    }
    const ids = shown.calls().map(({ id }) => id)
    assert.deepEqual(ids, wire.ids(), 'the cache holds what was answered, in its order')
    t.diagnostic(await list.check(ids))
  })
}

/** Defines a test: a program of the examples runs, against a gateway whose list stands still, and prints such a line. */
export function itRuns(name, line) {
  it(`runs as a program: npm run ${name}`, async (t) => {
    const gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
    t.after(gateway.stop)
    assert.match(await runScript(name, gateway), line)
  })
}

/** Notes the installed versions of packages with the test's result. */
export async function tellVersions(t, ...packages) {
  for (const name of packages) {
    const { version } = JSON.parse(await readFile(example(`node_modules/${name}/package.json`), 'utf8'))
    t.diagnostic(`${name} ${version}`)
  }
}
