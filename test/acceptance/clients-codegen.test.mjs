// graphql-codegen and the TypeScript compiler: typed code runs, and incorrect code does not compile.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { itRuns, recordWarnings, reportVersions, runScript, startWithUnreadableCall, takeExample } from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { commandTimeout, suiteTimeout } from './limits.mjs'

describe('graphql-codegen and TypeScript', { timeout: suiteTimeout }, () => {
  let example, printed, calls
  before(async () => {
    const gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
    example = await takeExample('codegen')
    // The script builds first: codegen's types, then tsc, which fails on any error.
    printed = await runScript(example, 'start', { GATEWAY_URL: gateway.graphql })
    await gateway.stop()
    calls = await example.load('build/calls.js')
  })
  after(() => example?.remove())

  it('compiles correct expressions, and no incorrect ones', async (t) => {
    await reportVersions(t, example, '@graphql-codegen/cli', '@graphql-codegen/client-preset', 'typescript')
    const cases = {
      'call.startedAt?.endsWith("Z")': undefined,
      'call.phoneNumber': /TS2339: Property 'phoneNumber' does not exist/, // not selected
      'call.status === "DONE"': /TS2367: .*'CallStatus' and '"DONE"' have no overlap/,
      'call.startedAt?.getTime()': /TS2339: Property 'getTime' does not exist on type 'string'/,
      'call.structuredOutput.nps': /TS18046: 'call.structuredOutput' is of type 'unknown'/,

      'filter({ result: ["HUMAN"], startedAt: { from: "2026-03-14T00:00:00Z" }, not: { endReason: ["voicemail"] } })': undefined,
      'filter({ structuredOutput: [{ path: "nps", is: 9 }], transcript: { contains: "refund", roles: ["USER"] } })': undefined,
      'filter({ anyOf: [{ durationSeconds: { min: 60 } }, {}], tool: null })': undefined,
      'filter({ outcome: ["HUMAN"] })': /TS2353: .*'outcome' does not exist in type 'CallFilter'/,
      'filter({ result: ["PERSON"] })': /TS2322: Type '"PERSON"' is not assignable to type 'CallResult'/,
      'filter({ durationSeconds: { min: "60" } })': /TS2322: Type 'string' is not assignable to type 'number'/,
      'filter({ startedAt: { from: new Date() } })': /TS2322: Type 'Date' is not assignable to type 'string'/,
      'filter({ transcript: { roles: ["USER"] } })': /TS2741: Property 'contains' is missing/,
      'filter({ structuredOutput: [{ is: 9 }] })': /TS2741: Property 'path' is missing/,
    }
    const errors = await compile(example, Object.keys(cases))
    for (const [expression, error] of Object.entries(cases)) {
      if (error) assert.match(errors.get(expression) ?? '', error)
      else assert.equal(errors.get(expression), undefined)
    }
  })

  it('shows the raw value of an unrecognized status', () => {
    assert.equal(calls.statusOf({ status: 'UNRECOGNIZED', extra: { status: 'paused' } }), 'paused')
    assert.equal(calls.statusOf({ status: 'UNRECOGNIZED', extra: null }), 'unknown')
    assert.equal(calls.statusOf({ status: 'ONGOING', extra: null }), 'talking')
  })

  it('reads the calls that pass a filter, page by page', async (t) => {
    const gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0', GATEWAY_MAX_SCAN_PAGES: '5' })
    t.after(gateway.stop)
    const durations = []
    for await (const duration of calls.durations(gateway.graphql, { durationSeconds: { min: 240 } })) durations.push(duration)
    const { callStats } = await gateway.query('{ callStats { scan { complete } } }')
    assert.equal(callStats.scan.complete, false, 'one scan does not read the list')
    assert.ok(durations.length > 10 && durations.every((duration) => duration >= 240), `${durations}`)
  })

  it('fails if the list fails, which would look like an empty one', async (t) => {
    const gateway = await startGateway()
    t.after(gateway.stop)
    await assert.rejects(calls.newestCalls(gateway.graphql, -1), /\(BAD_USER_INPUT\)$/)
  })

  it('returns the calls beside one that the gateway cannot read', async (t) => {
    const { gateway, ids } = await startWithUnreadableCall(t)
    const warnings = recordWarnings(t)
    const newest = await calls.newestCalls(gateway.graphql, 10)
    assert.deepEqual(newest.map(({ id }) => id), ids.slice(0, 9))
    assert.match(warnings().join('\n'), /^[^\n]+\(UPSTREAM_INVALID_RESPONSE\)$/)
  })

  it('runs its documents by their ids, with its manifest as trusted documents', async (t) => {
    const settings = { GATEWAY_TRUSTED_DOCUMENTS: example.path('src/gql/persisted-documents.json') }
    await promisify(execFile)(process.env.GATEWAY_BIN, ['--check'], { env: settings })
    const gateway = await startGateway(settings)
    t.after(gateway.stop)
    assert.equal((await calls.newestCalls(gateway.graphql, 3, { trusted: true })).length, 3)
    await assert.rejects(calls.newestCalls(gateway.graphql, 3), /\(PERSISTED_QUERY_REQUIRED\)$/)
  })

  it('generates the same code from the endpoint as from the file, with graphql 17', async (t) => {
    const gateway = await startGateway()
    t.after(gateway.stop)
    const ofFile = await generate(t, fileURLToPath(new URL('../../schema.graphqls', import.meta.url)))
    assert.match(ofFile['schema.graphql'], /How far this attempt has come/)
    assert.match(ofFile['client/graphql.ts'], /NewestCallsDocument/)
    assert.deepEqual(await generate(t, gateway.graphql), ofFile)
  })

  itRuns(() => example, /^\d\d:\d\d:\d\d  done  \w+[^]*^\d+ long talks, \d+ minutes$/m, { printed: () => printed })
})

/** Runs codegen for a schema, and returns the content of its files by their paths. */
async function generate(t, schema) {
  const target = await mkdtemp(join(tmpdir(), 'revox-codegen-'))
  t.after(() => rm(target, { recursive: true }))
  const cwd = fileURLToPath(new URL('graphql-17/', import.meta.url))
  const env = { ...process.env, SCHEMA: schema, TARGET: target, NO_COLOR: '1' }
  await promisify(execFile)('node_modules/.bin/graphql-codegen', ['--config', 'codegen.ts'], { cwd, env, timeout: commandTimeout })
  const files = ['schema.graphql', ...(await readdir(join(target, 'client'))).map((name) => `client/${name}`)]
  return Object.fromEntries(await Promise.all(files.map(async (name) => [name, await readFile(join(target, name), 'utf8')])))
}

/** Compiles expressions about a `call` and a `filter` of the example, and returns the compiler's errors by expression. */
async function compile(example, expressions) {
  const folder = await mkdtemp(example.path('build/expressions-'))
  try {
    const declared = "import type { Call, Filter } from '../../src/calls.js'; declare const call: Call; declare const filter: (value: Filter) => void"
    const lines = [declared, ...expressions.map((expression) => `;${expression}`)]
    await writeFile(join(folder, 'all.ts'), lines.join('\n'))
    const config = { extends: '../../tsconfig.json', compilerOptions: { noEmit: true, rootDir: '../..' }, files: ['all.ts'], include: [] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = promisify(execFile)(example.path('node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'], { timeout: commandTimeout })
    const { stdout } = await tsc.catch((error) => error)
    const found = stdout.matchAll(/all\.ts\((\d+),.*error (.*)/g)
    return new Map(Array.from(found, ([, line, message]) => [expressions[line - 2], message]))
  } finally {
    await rm(folder, { recursive: true })
  }
}
