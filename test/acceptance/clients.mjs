// Helpers of the client tests: examples copied out of the repository, a list that moves while a client walks it, and a
// record of HTTP requests.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, cp, link, mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startGateway } from './gateway.mjs'
import { commandTimeout, patience } from './limits.mjs'

const run = promisify(execFile)

/**
 * Settings with many new calls and without a cache, so that the list has moved at every page. Of the calls in progress
 * at most about 500 are in the list at a time, so that the list fits one response.
 */
export const movingList = {
  GATEWAY_DEMO_CALLS_PER_MINUTE: '300',
  GATEWAY_CACHE_TTL: '0',
  GATEWAY_UPSTREAM_PAGE_SIZE: '1000',
  GATEWAY_MAX_PAGE_SIZE: '1000',
}

/**
 * Calls in progress, which come and go near the head of the list, and cancelled orders, which stay. A call in progress
 * stays for some seconds to minutes, so the calls that a cursor knows do not all leave between two requests, even on a
 * slow machine.
 */
export const statuses = ['CALLING', 'CANCELLED']

/** A filter that about three of ten calls of these statuses do not pass, and also calls that come and go do. */
const filter = { not: { result: ['VOICEMAIL'] } }

/** The lists that clients walk, by names for their tests. */
export const lists = { 'the list': { statuses }, 'a filtered list': { statuses, filter } }

/** Waits until calls leave the list too, and records its calls before a client walks them. */
export async function watchList(gateway, which = { statuses }) {
  const first = await list(gateway, which)
  const start = await until('no call leaves', async () => {
    const now = new Set(await list(gateway, which))
    return first.some((id) => !now.has(id)) && [...now]
  })
  let newest = start[0]
  // A call may leave the list and return with another status, so each observation counts.
  let stayed = start
  const observe = async () => {
    const now = await list(gateway, which)
    const present = new Set(now)
    stayed = stayed.filter((id) => present.has(id))
    return now
  }
  return {
    /** Waits until another call is at the head of the list. */
    async moves() {
      const before = newest
      newest = await until('no call arrives', async () => {
        const [first] = await observe()
        return first !== before && first
      })
    },
    /** Fails unless these IDs, in the order in which they were received, keep the guarantee about moving lists. */
    async check(walked) {
      const now = await observe()
      const seen = new Set(walked)
      assert.equal(seen.size, walked.length, 'no call comes twice')
      assert.deepEqual(stayed.filter((id) => !seen.has(id)), [], 'no call is lost that stayed in the list')
      const arrived = now.filter((id) => !start.includes(id)).length
      const left = start.filter((id) => !now.includes(id)).length
      assert.ok(arrived > 0, 'calls arrived meanwhile, or this test proves nothing')
      return `${walked.length} calls walked, while ${arrived} arrived and ${left} left`
    },
  }
}

/** Returns the first truthy result of a function. */
async function until(failure, get) {
  for (const end = Date.now() + patience; Date.now() < end; await delay(10)) {
    const found = await get()
    if (found) return found
  }
  assert.fail(`${failure} within ${patience} ms`)
}

/** The IDs of the whole list, in one response, so without a cursor. */
async function list(gateway, which) {
  const { calls } = await gateway.query(
    `query ($statuses: [CallOrderStatus!], $filter: CallFilter) {
      calls(first: 1000, statuses: $statuses, filter: $filter) { nodes { id } pageInfo { hasNextPage } }
    }`,
    which,
  )
  assert.equal(calls.pageInfo.hasNextPage, false, 'the list fits one response')
  return calls.nodes.map(({ id }) => id)
}

/** Starts a gateway in front of a Revox whose list has 150 calls, and sends the fourth of them without its id. */
export async function startWithUnreadableCall(t) {
  const rows = Array.from({ length: 150 }, (_, n) => ({ id: n === 3 ? undefined : `call-${n}`, status: 'completed' }))
  const revox = createServer(({ url }, response) => {
    const parameters = new URL(url, 'http://revox').searchParams
    const [page, size] = [Number(parameters.get('page')), Number(parameters.get('page_size'))]
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ calls: rows.slice(page * size, (page + 1) * size) }))
  })
  await once(revox.listen(0, '127.0.0.1'), 'listening')
  const gateway = await startGateway({ REVOX_BASE_URL: `http://127.0.0.1:${revox.address().port}`, REVOX_API_KEY: 'any' })
  t.after(async () => {
    await gateway.stop()
    revox.close()
  })
  return { gateway, ids: rows.flatMap(({ id }) => id ?? []) }
}

/** Defines a test: one call that the gateway cannot read is reported, and the calls beside it and after it are shown. */
export function itPassesAnUnreadableCall(openList) {
  it('shows the calls beside one that the gateway cannot read, and walks past it', async (t) => {
    const { gateway, ids } = await startWithUnreadableCall(t)
    const warnings = recordWarnings(t)
    const first = 10
    const list = await openList(t, gateway, { first })
    while (list.calls().length < 3 * first - 1) await list.more()
    assert.deepEqual(list.calls().map(({ id }) => id), ids.slice(0, list.calls().length))
    assert.match(warnings().join('\n'), /^[^\n]+\(UPSTREAM_INVALID_RESPONSE\)$/)
  })
}

/** Records what is printed as a warning until the test ends. */
export function recordWarnings(t) {
  const { mock } = t.mock.method(console, 'warn', () => {})
  return () => mock.calls.map(({ arguments: [warning] }) => warning)
}

/**
 * Records what `fetch` sends and receives until the test ends. Clients merge pages and drop duplicates, so tests read the
 * gateway's responses here.
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
    /** The IDs of all calls in all responses. */
    ids: () => exchanges.flatMap(({ answer }) => answer.data?.calls?.edges ?? []).map(({ node }) => node.id),
  }
}

/** The folder of an example in the repository. */
const source = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

/**
 * Copies the folder of an example, alone, into an empty one, with the dependencies that `npm ci` has installed in it: so
 * a user takes it. Where possible, their files are links to the installed ones, which nothing changes.
 *
 * @returns {Promise<{folder: string, path: (file: string) => string, load: (file: string) => Promise<object>, remove: () => Promise<void>}>}
 *   `load` imports a module of the example
 */
export async function takeExample(name) {
  const folder = await mkdtemp(join(await realpath(tmpdir()), `revox-graphql-${name}-`))
  const made = /\/(node_modules|build|dist|__generated__|gql|schema\.graphql|manifest\.json)$/ // by earlier runs
  await cp(source(name), folder, { recursive: true, filter: (from) => !made.test(from) })
  const path = (file) => join(folder, file)
  if (existsSync(path('package-lock.json'))) await linkTree(join(source(name), 'node_modules'), path('node_modules'))
  return { folder, path, load: (file) => import(path(file)), remove: () => rm(folder, { recursive: true }) }
}

/** Makes a folder with links to the files of another, without those that programs such as Vite keep in it. */
async function linkTree(from, to) {
  await mkdir(to)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [old, copy] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isSymbolicLink()) await symlink(await readlink(old), copy)
    else if (!entry.isDirectory()) await link(old, copy).catch(() => copyFile(old, copy)) // They may be on two disks.
    else if (!/^\.(vite|cache)/.test(entry.name)) await linkTree(old, copy)
  }
}

/** Runs a script of an example, and returns its output. */
export async function runScript({ folder }, script, settings = {}) {
  const args = script === 'start' ? ['start'] : ['run', script]
  const { stdout } = await run('npm', ['--silent', ...args], { cwd: folder, env: environment(settings), timeout: commandTimeout })
  return stdout
}

function environment(settings) {
  const { GATEWAY_URL, GATEWAY_TOKEN, ...others } = process.env
  return { ...others, NO_COLOR: '1', ...settings }
}

/** Defines a test for each list: what a client with a cache shows of it grows to its end while calls arrive. */
export function itWalks(by, packages, example, gateway, openList) {
  for (const [name, which] of Object.entries(lists)) {
    it(`walks ${name} to the end by ${by} while calls arrive: no duplicates, no losses`, async (t) => {
      await reportVersions(t, example(), ...packages)
      const list = await watchList(gateway(), which)
      const wire = recordFetch(t)
      const shown = await openList({ first: 10, ...which })
      while (shown.hasMore()) {
        await list.moves()
        await shown.more()
      }
      const ids = shown.calls().map(({ id }) => id)
      assert.deepEqual(ids, wire.ids(), 'the cache contains the responses in their order')
      t.diagnostic(await list.check(ids))
    })
  }
}

/** Defines a test: a list grows to its end although pages of a filter are empty, because the gateway reads little for each. */
export function itPassesEmptyPages(openList) {
  it('goes on after pages without a call', async (t) => {
    const gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0', GATEWAY_UPSTREAM_PAGE_SIZE: '20', GATEWAY_MAX_SCAN_PAGES: '1' })
    t.after(gateway.stop)
    const wire = recordFetch(t)
    const rare = { phoneNumber: { startsWith: '+1415' } }
    const shown = await openList(t, gateway, { first: 10, statuses, filter: rare })
    for (let empty = 0; shown.hasMore(); ) {
      const before = wire.exchanges.length
      await shown.more()
      assert.equal(wire.exchanges.length, before + 1, `a new page is requested, also after ${empty} empty ones`)
      if (wire.exchanges.at(-1).answer.data.calls.edges.length === 0) empty++
    }
    const pages = wire.exchanges.map(({ answer }) => answer.data.calls)
    assert.equal(pages.at(-1).pageInfo.hasNextPage, false)
    const sizes = pages.map(({ edges }) => edges.length)
    assert.match(sizes.join(), /[1-9],0,(0,)*[1-9]/, 'pages without a call lie between others, or this test proves nothing')
    assert.deepEqual(shown.calls().map(({ id }) => id), wire.ids())
    assert.deepEqual(wire.ids(), await callsFrom(gateway, rare.phoneNumber.startsWith), 'no call is lost')
    t.diagnostic(`calls of each page: ${sizes}`)
  })
}

/** The IDs of the calls to numbers that begin so, in a list that stands still, without a filter of the gateway's. */
async function callsFrom(gateway, prefix) {
  const ids = []
  for (let after = null, more = true; more; ) {
    const { calls } = await gateway.query(
      `query ($statuses: [CallOrderStatus!], $after: String) {
        calls(first: 100, after: $after, statuses: $statuses) { nodes { id phoneNumber } pageInfo { hasNextPage endCursor } }
      }`,
      { statuses, after },
    )
    ids.push(...calls.nodes.filter(({ phoneNumber }) => phoneNumber?.startsWith(prefix)).map(({ id }) => id))
    ;({ hasNextPage: more, endCursor: after } = calls.pageInfo)
  }
  return ids
}

/**
 * Defines tests: an example, alone in a folder, runs with and without tokens, prints such a line, and explains failures.
 * `printed` is what it has printed without tokens, where the suite has run it already because that builds it.
 */
export function itRuns(example, line, { command: [command, ...args] = ['npm', 'start'], printed } = {}) {
  const execute = (settings) => run(command, args, { cwd: example().folder, env: environment(settings), timeout: commandTimeout, maxBuffer: 1 << 26 })
  const settings = { GATEWAY_DEMO_CALLS_PER_MINUTE: '0' }

  it(`runs by ${[command, ...args].join(' ')}, with and without tokens`, async (t) => {
    const open = await startGateway(settings)
    t.after(open.stop)
    assert.match(printed?.() ?? (await execute({ GATEWAY_URL: open.graphql })).stdout, line)
    const locked = await startGateway({ ...settings, GATEWAY_TOKENS: 'a-token-of-the-acceptance-tests' })
    t.after(locked.stop)
    assert.match((await execute({ GATEWAY_URL: locked.graphql, GATEWAY_TOKEN: 'a-token-of-the-acceptance-tests' })).stdout, line)

    const unknown = new URL('unknown/graphql', open.url).href
    for (const [failure, settings, sentence] of [
      ['no token', { GATEWAY_URL: locked.graphql }, /token/],
      ['a wrong token', { GATEWAY_URL: locked.graphql, GATEWAY_TOKEN: 'wrong' }, /token/i],
      ['no gateway', { GATEWAY_URL: 'http://127.0.0.1:9/graphql' }, /no gateway|cannot be reached/], // the port is discard's
      ['another address', { GATEWAY_URL: unknown }, /whole/],
    ]) {
      const { code, stderr } = await execute(settings).then(() => assert.fail(`no failure: ${failure}`), (error) => error)
      assert.notEqual(code, 0)
      const lines = stderr.trim().split('\n').filter((line) => line !== 'exit status 1') // of go run
      assert.equal(lines.length, 1, `${failure}: ${stderr}`)
      assert.match(lines[0], sentence, failure)
      assert.match(lines[0], /^[A-Z].*\.( \([A-Z_]+\))?$/, failure)
    }
  })
}

/** Reports the installed versions of an example's packages with the result of the test. */
export async function reportVersions(t, example, ...packages) {
  for (const name of packages) {
    const { version } = JSON.parse(await readFile(example.path(`node_modules/${name}/package.json`), 'utf8'))
    t.diagnostic(`${name} ${version}`)
  }
}
