// The audits of the reference implementation of the GraphQL over HTTP specification.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { serverAudits } from 'graphql-http'
import { startGateway } from './gateway.mjs'
import { patience, suiteTimeout } from './limits.mjs'

describe('GraphQL over HTTP', { timeout: suiteTimeout }, () => {
  let gateway
  before(async () => (gateway = await startGateway()))
  after(() => gateway?.stop())

  const audits = serverAudits({ url: () => new URL('graphql', gateway.url).href })

  it('has all audits', () => assert.equal(audits.length, 61))

  for (const audit of audits) {
    it(`${audit.id} ${audit.name}`, { timeout: patience }, async () => {
      const result = await audit.fn()
      assert.equal(result.status, 'ok', result.reason)
    })
  }
})
