// genqlient: Go code that is generated from the schema and one document, and walks all calls of some statuses.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { itRuns, startWithUnreadableCall, takeExample } from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { commandTimeout, suiteTimeout } from './limits.mjs'

const repository = fileURLToPath(new URL('../../examples/go', import.meta.url))
const run = (cwd) => (args, env) => promisify(execFile)('go', args, { cwd, env: { ...process.env, ...env }, timeout: commandTimeout })

describe('genqlient', { timeout: suiteTimeout }, () => {
  let gateway, example, go
  before(async () => {
    example = await takeExample('go')
    go = run(example.folder)
    gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0', GATEWAY_CACHE_TTL: '0' })
  })
  after(async () => {
    await gateway?.stop()
    await example?.remove()
  })

  it('generates the committed code', async (t) => {
    const generated = join(repository, 'generated.go')
    const committed = await readFile(generated, 'utf8')
    await run(repository)(['generate', '.'])
    assert.equal(await readFile(generated, 'utf8'), committed, 'run go generate in examples/go and commit what it made')
    t.diagnostic((await go(['list', '-m', 'github.com/Khan/genqlient'])).stdout.trim())
  })

  it('walks all calls of some statuses', async () => {
    // Orders of these statuses stay as they are, so the list only gains calls.
    const settled = ['CANCELLED', 'ERRORED']
    const list = async () => {
      const ids = []
      for (let after = null, more = true; more; ) {
        const { calls } = await gateway.query(
          'query ($s: [CallOrderStatus!], $after: String) { calls(first: 100, statuses: $s, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }',
          { s: settled, after },
        )
        ids.push(...calls.nodes.map(({ id }) => id))
        after = calls.pageInfo.endCursor
        more = calls.pageInfo.hasNextPage
      }
      return ids
    }
    const before = await list()
    const { stdout } = await go(['run', '.', ...settled], { GATEWAY_URL: gateway.graphql })
    const lines = stdout.trim().split('\n')
    assert.equal(lines.pop(), `${lines.length} calls`)
    const walked = new Set(lines.map((line) => line.split(' ')[0]))
    assert.equal(walked.size, lines.length, 'no call comes twice')
    assert.deepEqual(before.filter((id) => !walked.has(id)), [], 'no call is missing')
    const after = new Set(await list())
    assert.deepEqual([...walked].filter((id) => !after.has(id)), [], 'all are calls of these statuses')
    assert.ok(walked.size > 200, 'several pages')
  })

  it('prints an error of the gateway', async () => {
    await assert.rejects(go(['run', '.', 'NONSENSE'], { GATEWAY_URL: gateway.graphql }), ({ stderr }) => {
      assert.match(stderr, /NONSENSE.*\((BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)\)$/m)
      return true
    })
  })

  it('lists the calls beside one that the gateway cannot read, and fails', async (t) => {
    const { gateway, ids } = await startWithUnreadableCall(t)
    await assert.rejects(go(['run', '.'], { GATEWAY_URL: gateway.graphql }), ({ stdout, stderr }) => {
      assert.deepEqual(stdout.trim().split('\n'), [...ids.map((id) => `${id} COMPLETED`), `${ids.length} calls`])
      assert.match(stderr, /^[^\n]+\(UPSTREAM_INVALID_RESPONSE\)\nexit status 1\n$/)
      return true
    })
  })

  it('sends its token to no address that a redirect names', async (t) => {
    let requests = 0
    const other = createServer((_, response) => response.end(`${++requests}`)).listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.after(() => other.close())
    const elsewhere = `http://127.0.0.1:${other.address().port}/graphql`
    const redirecting = createServer((_, response) => response.writeHead(307, { location: elsewhere }).end()).listen(0, '127.0.0.1')
    await once(redirecting, 'listening')
    t.after(() => redirecting.close())
    const GATEWAY_URL = `http://127.0.0.1:${redirecting.address().port}/graphql`
    await assert.rejects(go(['run', '.'], { GATEWAY_URL, GATEWAY_TOKEN: 'any' }), ({ stderr }) => {
      assert.match(stderr, /^There is no GraphQL at /)
      return true
    })
    assert.equal(requests, 0)
  })

  itRuns(() => example, /^\d{5} calls$/m, { command: ['go', 'run', '.'] })
})
