// Apollo Client: its cache grows a list page by page, it sends hashes of documents, and it distinguishes errors by their codes.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import {
  itPassesAnUnreadableCall, itPassesEmptyPages, itRuns, itWalks, movingList, recordFetch, reportVersions, runScript, takeExample,
} from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { suiteTimeout } from './limits.mjs'

const first = 10

describe('Apollo Client', { timeout: suiteTimeout }, () => {
  let gateway, example, automaticQueries, explain, newClient, trustedQueries, CALLS, openList
  before(async () => {
    example = await takeExample('apollo')
    ;({ automaticQueries, explain, newClient, trustedQueries } = await example.load('client.js'))
    ;({ CALLS, openList } = await example.load('list.js'))
    gateway = await startGateway(movingList)
  })
  after(async () => {
    await gateway?.stop()
    await example?.remove()
  })

  itWalks('relayStylePagination and fetchMore', ['@apollo/client'], () => example, () => gateway, (variables) => openList(newClient(gateway.graphql), variables))

  itPassesEmptyPages((t, { graphql }, variables) => openList(newClient(graphql), variables))

  itPassesAnUnreadableCall((t, { graphql }, variables) => openList(newClient(graphql), variables))

  it('keeps lists of different filters apart', async () => {
    const client = newClient(gateway.graphql)
    const results = ['HUMAN', 'VOICEMAIL']
    const lists = await Promise.all(results.map((result) => openList(client, { first, filter: { result: [result] } })))
    for (const list of lists) await list.more()
    const ids = lists.map((list) => list.calls().map(({ id }) => id))
    assert.deepEqual(ids.map(({ length }) => length), [2 * first, 2 * first])
    assert.equal(new Set(ids.flat()).size, 4 * first)
  })

  it('sends a hash by GET, then the query once, and only hashes from then on', async (t) => {
    const wire = recordFetch(t)
    const open = () => openList(newClient(gateway.graphql, {}, automaticQueries()), { first })
    const list = await open()
    assert.deepEqual(wire.exchanges.map(({ method }) => method), ['GET', 'POST'])
    const [miss, registered] = wire.exchanges
    assert.equal(miss.answer.errors[0].extensions.code, 'PERSISTED_QUERY_NOT_FOUND')
    assert.match(JSON.parse(registered.body).query, /^query Calls/)

    await list.more()
    await open() // as another browser
    assert.deepEqual(wire.exchanges.map(({ method }) => method), ['GET', 'POST', 'GET', 'GET'])
    for (const { url, answer } of wire.exchanges.slice(2)) {
      assert.equal(url.searchParams.has('query'), false)
      assert.match(JSON.parse(url.searchParams.get('extensions')).persistedQuery.sha256Hash, /^[0-9a-f]{64}$/)
      assert.equal(answer.data.calls.edges.length, first)
    }
  })

  it('runs the operations of its manifest as trusted documents, and nothing else', async (t) => {
    await reportVersions(t, example, '@apollo/generate-persisted-query-manifest')
    await runScript(example, 'manifest')
    const path = example.path('manifest.json')
    const trusting = await startGateway({ GATEWAY_TRUSTED_DOCUMENTS: path })
    t.after(trusting.stop)
    const wire = recordFetch(t)

    const manifest = JSON.parse(await readFile(path, 'utf8'))
    const list = await openList(newClient(trusting.graphql, {}, trustedQueries(manifest)), { first })
    await list.more()
    assert.equal(list.calls().length, 2 * first)
    assert.ok(wire.exchanges.every(({ body }) => !('query' in JSON.parse(body))), 'no text is sent')
    await assert.rejects(openList(newClient(trusting.graphql), { first }), code('PERSISTED_QUERY_REQUIRED'))
  })

  it('opens a list again at its top, as after CURSOR_EXPIRED', async () => {
    const client = newClient(gateway.graphql)
    const old = await openList(client, { first })
    await old.more()
    const list = await openList(client, { first })
    assert.equal(list.calls().length, first, 'the old pages are gone')
    await list.more()
    assert.equal(new Set(list.calls().map(({ id }) => id)).size, 2 * first)
  })

  it('fails if a further page fails', async (t) => {
    const stopping = await startGateway()
    t.after(() => stopping.stop())
    const list = await openList(newClient(stopping.graphql), { first })
    const { fetch } = globalThis
    t.after(() => (globalThis.fetch = fetch))
    for (const [answer, sentence] of [
      [{ data: { calls: null }, errors: [{ message: 'By the test.', path: ['calls'], extensions: { code: 'CURSOR_EXPIRED' } }] }, /Start again at its top/],
      [null, /cannot be reached/],
    ]) {
      globalThis.fetch = async () => (answer ? Response.json(answer) : fetch('http://127.0.0.1:9/')) // the port is discard's
      const error = await list.more().then(() => assert.fail('no failure'), (error) => error)
      assert.match(explain(error), sentence)
      assert.equal(list.calls().length, first, 'what is loaded stays')
    }
  })

  it('distinguishes errors by extensions.code', async (t) => {
    const ask = (url, variables) => newClient(url).query({ query: CALLS, variables: { first, ...variables } })
    const failure = async (url, variables) => explain(await ask(url, variables).then(() => assert.fail('no failure'), (error) => error))

    const locked = await startGateway({ GATEWAY_TOKENS: 'a-token-of-the-acceptance-tests' })
    t.after(locked.stop)
    assert.equal(await failure(locked.graphql), 'The gateway requires a token that it knows.')
    assert.match(await failure(gateway.graphql, { after: 'no cursor' }), /Start again at its top/)
    assert.match(await failure(gateway.graphql, { first: 1001 }), /BAD_USER_INPUT/)
    const stopped = await startGateway()
    await stopped.stop()
    assert.match(await failure(stopped.graphql), /cannot be reached/)
  })

  itRuns(() => example, /│ 9 +│ '\+\d+'/)
})

const code = (expected) => (error) => {
  assert.equal(error.errors?.[0].extensions.code, expected, error.message)
  return true
}
