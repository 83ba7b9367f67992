// Relay: its compiler accepts connections and refetchable fragments, and its hooks walk and refetch.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { itPassesEmptyPages, itRuns, lists, movingList, recordFetch, reportVersions, runScript, takeExample, watchList } from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { commandTimeout, suiteTimeout } from './limits.mjs'

const pageSize = 10

describe('Relay', { timeout: suiteTimeout }, () => {
  let gateway, example, printed, require, newPage, newEnvironment
  before(async () => {
    gateway = await startGateway(movingList)
    example = await takeExample('relay')
    require = createRequire(example.path('package.json'))
    printed = await runScript(example, 'start', { GATEWAY_URL: gateway.graphql }) // The script builds first.
    ;({ newPage } = await example.load('page.js'))
    ;({ newEnvironment } = require('./build/environment.js'))
  })
  after(async () => {
    await gateway?.stop()
    await example?.remove()
  })

  const artifact = (name) => require(`./build/__generated__/${name}.graphql`)

  it('compiles the pagination fragment to a connection on Query', async (t) => {
    await reportVersions(t, example, 'relay-compiler', 'react-relay', 'react')
    const { metadata } = artifact('CallList_query')
    const forward = { count: 'count', cursor: 'cursor' }
    assert.deepEqual(metadata.connection, [{ ...forward, direction: 'forward', path: ['calls'] }])
    assert.deepEqual(metadata.refetch.connection, { forward, backward: null, path: ['calls'] })
  })

  it('compiles the refetchable fragment on Call to a query of node', () => {
    const { refetch } = artifact('CallDetail_call').metadata
    assert.deepEqual(refetch.fragmentPathInResult, ['node'])
    assert.deepEqual(refetch.identifierInfo, { identifierField: 'id', identifierQueryVariableName: 'id' })
    assert.match(refetch.operation.params.text, /node\(id: \$id\)/)
  })

  it('rejects a fragment with a field that the schema does not have', async () => {
    await inCopy(async (folder) => {
      const file = join(folder, 'src', 'CallList.jsx')
      const source = await readFile(file, 'utf8')
      await writeFile(file, source.replace('phoneNumber\n', 'phoneNumbers\n'))
      await assert.rejects(compile(folder, 'relay.config.json'), ({ stdout, stderr }) => {
        assert.match(stdout + stderr, /no field `phoneNumbers`/)
        return true
      })
    })
  })

  for (const [name, which] of Object.entries(lists)) {
    it(`walks ${name} to the end by usePaginationFragment while calls arrive: no duplicates, no losses`, async (t) => {
      const list = await watchList(gateway, which)
      const wire = recordFetch(t)
      const page = await newPage(gateway.graphql, { count: pageSize, ...which })
      while (page.hasMore()) {
        await list.moves()
        await page.more()
      }
      assert.deepEqual(page.ids(), wire.ids(), 'the page shows the responses in their order')
      await page.close()
      t.diagnostic(await list.check(wire.ids()))
    })
  }

  itPassesEmptyPages(async (t, { graphql }, { first, ...which }) => {
    const page = await newPage(graphql, { count: first, ...which })
    t.after(page.close)
    return { ...page, calls: () => page.ids().map((id) => ({ id })) }
  })

  it('refetches a call by node', async (t) => {
    const wire = recordFetch(t)
    const page = await newPage(gateway.graphql, { count: 100, statuses: ['COMPLETED'] }) // one of them was answered
    const { id, transcriptEntryCount } = wire.exchanges[0].answer.data.calls.edges.map(({ node }) => node).find((node) => node.transcriptEntryCount > 1)
    assert.equal(page.turns(id).length, 1)
    await page.moreTurns(id)
    assert.equal(page.turns(id).length, transcriptEntryCount)
    assert.equal(wire.exchanges.length, 2)
    assert.equal(wire.exchanges[1].answer.data.node.id, id)
    await page.close()
  })

  it('says that a call has left the list, and keeps the others', async (t) => {
    const wire = recordFetch(t)
    const page = await newPage(gateway.graphql, { count: 100, statuses: ['COMPLETED'] })
    t.after(page.close)
    const { id } = wire.exchanges[0].answer.data.calls.edges.map(({ node }) => node).find((node) => node.transcriptEntryCount > 1)
    const before = page.ids()
    globalThis.fetch = async () => Response.json({ data: { node: null } }) // until the test ends
    await page.moreTurns(id)
    assert.deepEqual(page.turns(id), ['This call is no longer in the list.'])
    assert.deepEqual(page.ids(), before)
  })

  it('runs compiled operations by their ids alone, with the manifest of persistConfig as trusted documents', async (t) => {
    await inCopy(async (folder) => {
      await writeFile(join(folder, 'persisted.json'), '{}') // The compiler adds to it.
      await compile(folder, 'relay.persisted.json')
      const gateway = await startGateway({ GATEWAY_TRUSTED_DOCUMENTS: join(folder, 'persisted.json') })
      t.after(gateway.stop)
      const { params } = createRequire(join(folder, 'src/'))('./__generated__/CallsPageQuery.graphql')
      assert.equal(params.text, null)

      const environment = newEnvironment(gateway.graphql)
      const { calls } = await environment.getNetwork().execute(params, { count: 3 }, {}).toPromise().then(({ data }) => data)
      assert.equal(calls.edges.length, 3)
      const unknown = environment.getNetwork().execute({ ...params, id: 'unknown' }, { count: 3 }, {}).toPromise()
      await assert.rejects(unknown, { code: 'PERSISTED_QUERY_NOT_FOUND' })
      const free = environment.getNetwork().execute({ id: null, text: '{ __typename }' }, {}, {}).toPromise()
      await assert.rejects(free, { code: 'PERSISTED_QUERY_REQUIRED' })
    })
  })

  itRuns(() => example, /^\+\d+ [A-Z]+/m, { printed: () => printed })

  /** Runs a function in a copy of the example: the compiler writes beside the files that it reads. */
  async function inCopy(work) {
    const folder = await mkdtemp(join(tmpdir(), 'revox-graphql-relay-'))
    try {
      await cp(example.folder, folder, { recursive: true, filter: (from) => !from.endsWith('node_modules') })
      await work(folder)
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  /** Runs the compiler; rejects with its output unless it succeeds. */
  async function compile(folder, config) {
    await promisify(execFile)(require('relay-compiler'), ['--noWatchman', config], { cwd: folder, timeout: commandTimeout })
  }
})
