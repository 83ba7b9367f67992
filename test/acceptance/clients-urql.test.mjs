// urql with its normalized cache, which merges pages by relayPagination. Its `Accept` always lists streams.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { itPassesAnUnreadableCall, itPassesEmptyPages, itRuns, itWalks, movingList, recordFetch, takeExample } from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { suiteTimeout } from './limits.mjs'

const first = 10

describe('urql and graphcache', { timeout: suiteTimeout }, () => {
  let gateway, example, newClient, openList
  before(async () => {
    example = await takeExample('urql')
    ;({ newClient } = await example.load('client.js'))
    ;({ openList } = await example.load('list.js'))
    gateway = await startGateway(movingList)
  })
  after(async () => {
    await gateway?.stop()
    await example?.remove()
  })

  itWalks('relayPagination', ['@urql/core', '@urql/exchange-graphcache'], () => example, () => gateway, (variables) => openList(newClient(gateway.graphql), variables))

  itPassesEmptyPages((t, { graphql }, variables) => openList(newClient(graphql), variables))

  itPassesAnUnreadableCall((t, { graphql }, variables) => openList(newClient(graphql), variables))

  it('receives JSON, although its Accept lists streams', async (t) => {
    const wire = recordFetch(t)
    const list = await openList(newClient(gateway.graphql), { first })
    assert.equal(list.calls().length, first)
    const [{ headers, type }] = wire.exchanges
    assert.match(headers.get('accept'), /text\/event-stream/)
    assert.match(headers.get('accept'), /multipart\/mixed/)
    assert.match(type, /^application\/(graphql-response\+)?json\b/)
  })

  it('reports the code of an error', async () => {
    await assert.rejects(openList(newClient(gateway.graphql), { first: -1 }), ({ graphQLErrors: [error] }) => {
      assert.equal(error.extensions.code, 'BAD_USER_INPUT')
      return true
    })
  })

  it('fails if a further page fails', async (t) => {
    const list = await openList(newClient(gateway.graphql), { first })
    const { fetch } = globalThis
    t.after(() => (globalThis.fetch = fetch))
    const errors = [{ message: 'By the test.', path: ['calls'], extensions: { code: 'CURSOR_EXPIRED' } }]
    globalThis.fetch = async () => Response.json({ data: { calls: null }, errors })
    await assert.rejects(list.more(), ({ graphQLErrors: [error] }) => error.extensions.code === 'CURSOR_EXPIRED')
    assert.equal(list.calls().length, first, 'what is loaded stays')
  })

  itRuns(() => example, /│ 9 +│ '\+\d+'/)
})
