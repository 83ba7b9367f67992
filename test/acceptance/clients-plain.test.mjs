// Clients without a cache: plain fetch, and graphql-request.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newestCalls } from '../../examples/fetch/newest.js'
import { pagesOfCalls } from '../../examples/graphql-request/walk.js'
import { itRuns, movingList, statuses, reportVersions, watchList } from './clients.mjs'
import { startGateway } from './gateway.mjs'

const first = 10

describe('Clients without a cache', { timeout: 120_000 }, () => {
  let gateway
  before(async () => (gateway = await startGateway(movingList)))
  after(() => gateway?.stop())

  it('fetch returns the newest calls, or an error with its code', async () => {
    const calls = await newestCalls(gateway.graphql, first)
    assert.equal(new Set(calls.map(({ id }) => id)).size, first)
    await assert.rejects(newestCalls(gateway.graphql, -1), /^Error: BAD_USER_INPUT: /)
  })

  it('graphql-request walks to the end while calls arrive: no duplicates, no losses', async (t) => {
    await reportVersions(t, 'graphql-request')
    const list = await watchList(gateway)
    const ids = []
    for await (const page of pagesOfCalls(gateway.graphql, { first, statuses })) {
      ids.push(...page.map(({ id }) => id))
      await list.moves()
    }
    t.diagnostic(await list.check(ids))
  })

  it('graphql-request reports the code of an error', async () => {
    await assert.rejects(pagesOfCalls(gateway.graphql, { first: -1 }).next(), ({ response }) => {
      assert.equal(response.errors[0].extensions.code, 'BAD_USER_INPUT')
      return true
    })
  })

  itRuns('fetch', /'\+\d+'/)
  itRuns('graphql-request', /^\d+ calls, \d+ minutes of talk$/m)
})
