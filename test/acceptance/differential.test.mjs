// The gateway against graphql-js, the reference implementation: the same requests, over the same calls, must have the
// same verdict, data, and paths and locations of errors. DIFFERENTIAL=100000 sets the number of random requests,
// DIFFERENTIAL_SEED=7 chooses others.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, describe, it } from 'node:test'
import * as graphql16 from 'graphql'
import { ask, difference } from './differential/compare.mjs'
import { chosenRequests } from './differential/corpus.mjs'
import { newGenerator } from './differential/generate.mjs'
import { known } from './differential/known.mjs'
import { newOracle } from './differential/oracle.mjs'
import { newRoot, rows, startUpstream } from './differential/world.mjs'
import { startGateway } from './gateway.mjs'

const random = Number(process.env.DIFFERENTIAL ?? 3000)
const firstSeed = Number(process.env.DIFFERENTIAL_SEED ?? 1)

const sdl = readFileSync(new URL('../../schema.graphqls', import.meta.url), 'utf8')
const graphql17 = createRequire(new URL('graphql-17/package.json', import.meta.url))('graphql')

/** graphql-js has no such limits, so they are too high to matter here. */
const unlimited = {
  GATEWAY_MAX_ALIASES: '1000',
  GATEWAY_MAX_COST: '100000000',
  GATEWAY_MAX_DEPTH: '100',
  GATEWAY_MAX_ROOT_FIELDS: '1000',
  GATEWAY_MAX_TOKENS: '100000',
}

describe('The gateway and graphql-js', { timeout: 24 * 3600 * 1000 }, () => {
  let upstream, gateway, cursors, oracles
  before(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      ...upstream.settings,
      ...unlimited,
      GATEWAY_CACHE_TTL: '24h',
      GATEWAY_LOG_REQUESTS: 'false',
    })
    const { calls } = await gateway.query('{ calls(first: 100) { edges { cursor node { id } } } }')
    assert.equal(calls.edges.length, rows.length)
    cursors = calls.edges.map(({ cursor }) => cursor)
    const root = newRoot(new Map(calls.edges.map(({ cursor, node }) => [cursor, node.id])))
    oracles = [graphql16, graphql17].map((graphql) => ({
      major: graphql.versionInfo.major,
      judge: newOracle(graphql, sdl, root),
    }))
  })
  after(async () => {
    await gateway?.stop()
    upstream?.stop()
  })

  /** Compares the responses to a request: returns unknown differences from each oracle, and counts known ones. */
  async function compare(request, met = new Map()) {
    const answer = await ask(gateway.graphql, request)
    const found = []
    for (const { major, judge } of oracles) {
      const right = await judge(request)
      const differs = difference(right, answer)
      const entry =
        differs && known.find((one) => (one.major ?? major) === major && one.where(request, differs, right, answer))
      if (entry) met.set(entry, (met.get(entry) ?? 0) + 1)
      else if (differs) found.push({ request, major, right, answer, ...differs })
    }
    return found
  }

  it('agree on chosen requests', async (t) => {
    const requests = chosenRequests(cursors)
    assert.ok(requests.length >= 300)
    const met = new Map(),
      found = []
    for (const request of requests) found.push(...(await compare(request, met)))
    t.diagnostic(`${requests.length} requests`)
    for (const [{ why }, times] of met) t.diagnostic(`${times} known differences: ${why}`)
    assert.equal(report(found), '')
    assert.deepEqual(
      known.filter((one) => !met.has(one)).map(({ why }) => why),
      [],
      'known differences that no request shows: remove them from the list',
    )
  })

  it('agree on random requests', async (t) => {
    const samples = {
      ids: rows.slice(0, 6).map(({ id }) => id),
      cursors: [0, 3, 10, 44].map((i) => cursors[i]),
      rootFields: Object.keys(newRoot(new Map())), // which the oracle resolves
    }
    const generate = newGenerator(graphql16, graphql16.buildSchema(sdl), samples)
    const found = [],
      verdicts = {}
    for (let seed = firstSeed; seed < firstSeed + random; seed++) {
      const request = { about: `seed ${seed}`, ...generate(seed) }
      found.push(...(await compare(request)))
      const { verdict } = await oracles[0].judge(request)
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1
    }
    t.diagnostic(`${random} requests from seed ${firstSeed}: ${JSON.stringify(verdicts)}`)
    for (const verdict of ['parse', 'validation', 'variables', 'executed'])
      assert.ok(random < 1000 || verdicts[verdict] > random / 100, `few requests end in ${verdict}`)
    assert.equal(report(found), '')
  })
})

/** Returns the differences as a text, with the shortest request of each kind. */
function report(found) {
  const kinds = new Map()
  for (const one of found) {
    const gist = (errors) => (errors[0]?.message ?? '').replace(/"[^"]*"|`[^`]*`/g, '…').replace(/\d+/g, '0')
    const kind = [one.major, one.kind, one.right.verdict, gist(one.right.errors), gist(one.answer.errors)].join(' | ')
    kinds.set(kind, [...(kinds.get(kind) ?? []), one])
  }
  const size = ({ request }) => JSON.stringify(request).length
  return [...kinds]
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, Number(process.env.DIFFERENTIAL_KINDS ?? 20))
    .map(([kind, all]) => {
      const { request, expected, actual } = all.sort((a, b) => size(a) - size(b))[0]
      const sides = `  graphql-js ${expected?.slice(0, 300)}\n  gateway    ${actual?.slice(0, 300)}`
      return `\n${all.length} × ${kind}\n  ${JSON.stringify(request)}\n${sides}`
    })
    .join('\n')
}
