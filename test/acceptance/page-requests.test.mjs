// How many requests the example page sends in a minute after something has failed: no more than what is on screen needs,
// from the development server too, where React's StrictMode draws each component twice. The browser's clock is moved on.
import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { until } from './browser.mjs'
import { describePage, enter, failure, operation, rows } from './page.mjs'

const minute = 60
const listPoll = 4 // seconds, of useNewCalls.ts
const callPoll = 4 // seconds, of CallPanel.tsx
const rowPoll = 5 // seconds, of useUnfinishedCalls.ts
const retry = 5 // seconds, of ErrorMessage.tsx

for (const development of [true, false]) {
  describePage(`The requests of the example page, ${development ? 'from the development server' : 'as built'}`, ({ serve, visit }) => {
    let site
    before(async () => {
      // Without a cache, the responses are fast enough for many requests.
      site = await serve({ GATEWAY_TOKENS: 'right', GATEWAY_CACHE_TTL: '0' }, { development })
    })

    async function enterPage() {
      const visited = await visit(site, '', { clock: true })
      await enter(visited.page, 'right')
      await rows(visited.page).first().waitFor()
      return visited
    }

    it('polls what is visible, after the gateway was away', async (t) => {
      const { page, context, requests } = await enterPage()
      await rows(page).filter({ hasText: 'In progress' }).first().click()
      await page.getByRole('region', { name: 'Call' }).getByRole('heading').first().waitFor()
      await site.stopGateway()
      await page.reload()
      await failure(page, 'No connection to the gateway').first().waitFor()
      const failed = await countIn(minute, page, requests)
      t.diagnostic(`in a minute without the gateway: ${show(failed)}`)
      assert.deepEqual(Object.keys(failed).sort(), ['CallListQuery', 'CallPanelQuery'])
      for (const n of Object.values(failed)) {
        atMost(n, minute / retry)
        assert.ok(n > 5, 'each part of the page tries again by itself')
      }

      await site.startGateway()
      const before = requests.length
      await page.clock.runFor(retry * 1000)
      await rows(page).first().waitFor()
      await until('the call', async () => (await failure(page, 'No connection to the gateway').count()) === 0)
      const recovery = count(requests.slice(before))
      assert.equal(recovery.CallListQuery, 1, 'one request recovers the list')
      atMost(recovery.CallPanelQuery, 1) // the second is a poll
      const recovered = await countIn(minute, page, requests)
      t.diagnostic(`in the minute after: ${show(recovered)}`)
      assert.equal(recovered.CallListQuery, undefined)
      atMost(recovered.CallListPageQuery, minute / listPoll)
      atMost(recovered.CallPanelQuery, minute / callPoll)
      atMost(recovered.useUnfinishedCallsQuery, minute / rowPoll)
      assert.ok(recovered.CallListPageQuery > 5, 'it polls')
      await context.close()
    })

    it('sends one request for each token, and resumes what waited for it', async (t) => {
      const { page, context, requests } = await visit(site, '?call=unknown', { clock: true })
      await page.getByRole('dialog').waitFor()
      const waiting = await countIn(minute, page, requests)
      t.diagnostic(`in a minute with the dialog open: ${show(waiting)}`)
      assert.deepEqual(waiting, {})
      const before = requests.length
      await enter(page, 'wrong')
      await page.getByText('The gateway rejects this token.').waitFor()
      assert.deepEqual(await countIn(minute, page, requests), {})
      assert.deepEqual(requests.slice(before).map(operation), ['tryToken'])
      await enter(page, 'right')
      await rows(page).first().waitFor()
      const after = await countIn(minute, page, requests)
      t.diagnostic(`in the minute after the right token: ${show(after)}`)
      const all = count(requests.slice(before + 1))
      assert.equal(all.tryToken, 1)
      assert.equal(all.CallListQuery, 1)
      assert.equal(all.CallPanelQuery, 1)
      atMost(after.CallListPageQuery, minute / listPoll)
      atMost(after.useUnfinishedCallsQuery, minute / rowPoll)
      await context.close()
    })
  })
}

/** Moves the page's clock on, and counts the requests by their operation. Before each step, the page has no open request. */
async function countIn(seconds, page, requests) {
  const before = requests.length
  for (let i = 0; i < seconds * 4; i++) {
    await page.clock.runFor(250)
    await until('the responses', () => requests.open === 0)
  }
  return count(requests.slice(before))
}

function count(requests) {
  const counts = {}
  for (const name of requests.map(operation)) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const show = (counts) => Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(', ') || 'none'

/** A clock that is moved on in steps may start one more request than fits. */
const atMost = (n, bound) => assert.ok((n ?? 0) <= bound + 1, `${n} requests, at most ${bound}`)
