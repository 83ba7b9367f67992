// Clients without a cache: plain fetch, and graphql-request.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { itRuns, movingList, recordWarnings, reportVersions, startWithUnreadableCall, statuses, takeExample, watchList } from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { suiteTimeout } from './limits.mjs'

const first = 10

describe('Clients without a cache', { timeout: suiteTimeout }, () => {
  let gateway, plain, library, request, pagesOfCalls
  before(async () => {
    plain = await takeExample('fetch')
    library = await takeExample('graphql-request')
    ;({ request } = await plain.load('gateway.js'))
    ;({ pagesOfCalls } = await library.load('walk.js'))
    gateway = await startGateway(movingList)
  })
  after(async () => {
    await gateway?.stop()
    for (const example of [plain, library]) await example?.remove()
  })

  it('fetch returns the newest calls, or an error with its code', async () => {
    const newest = (first) => request('query ($first: Int) { calls(first: $first) { nodes { id } } }', { first }, gateway.graphql)
    const { calls } = await newest(first)
    assert.equal(new Set(calls.nodes.map(({ id }) => id)).size, first)
    await assert.rejects(newest(-1), /\(BAD_USER_INPUT\)$/)
  })

  it('fetch returns the calls beside one that the gateway cannot read', async (t) => {
    const { gateway, ids } = await startWithUnreadableCall(t)
    const warnings = recordWarnings(t)
    const { calls } = await request('{ calls(first: 10) { nodes { id } } }', {}, gateway.graphql)
    assert.deepEqual(calls.nodes.map(({ id }) => id), ids.slice(0, 9))
    assert.match(warnings().join('\n'), /^[^\n]+\(UPSTREAM_INVALID_RESPONSE\)$/)
  })

  it('graphql-request walks past a call that the gateway cannot read', async (t) => {
    const { gateway, ids } = await startWithUnreadableCall(t)
    const warnings = recordWarnings(t)
    const walked = []
    for await (const page of pagesOfCalls(gateway.graphql, { first: 100 })) walked.push(...page.map(({ id }) => id))
    assert.deepEqual(walked, ids)
    assert.match(warnings().join('\n'), /^[^\n]+\(UPSTREAM_INVALID_RESPONSE\)$/)
  })

  it('graphql-request walks to the end while calls arrive: no duplicates, no losses', async (t) => {
    await reportVersions(t, library, 'graphql-request')
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

  itRuns(() => plain, /'\+\d+'/)
  itRuns(() => library, /^\d+ calls, \d+ minutes of talk$/m)
})
