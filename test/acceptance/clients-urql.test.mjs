// urql with its normalized cache: it lists streams in `Accept` with every query, and has a list of its own to merge.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newClient } from '../../examples/urql/client.js'
import { openList } from '../../examples/urql/list.js'
import { itRuns, itWalks, movingList, recordFetch } from './clients.mjs'
import { startGateway } from './gateway.mjs'

const first = 10

describe('urql and graphcache', { timeout: 120_000 }, () => {
  let gateway
  before(async () => (gateway = await startGateway(movingList)))
  after(() => gateway?.stop())

  itWalks('relayPagination', ['@urql/core', '@urql/exchange-graphcache'], () => gateway, (variables) => openList(newClient(gateway.graphql), variables))

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

  itRuns('urql', /│ 9 +│ '\+\d+'/)
})
