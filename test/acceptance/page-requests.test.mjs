// How many requests the example page sends in a minute after something has failed: no more than what is on screen
// needs, from the development server too, where React's StrictMode draws each component twice. The tests move the
// browser's clock on.
import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { until } from './browser.mjs'
import { describePage, enter, failure, operation, rows } from './page.mjs'

const minute = 60
const listPoll = 4 // seconds, of useNewCalls.ts
const callPoll = 4 // seconds, of CallPanel.tsx
const rowPoll = 5 // seconds, of useUnfinishedCalls.ts
// The waits of backoff.ts double from 2.5 to 5 seconds up to a minute, so each part of the page sends this many
// requests in the first minute of an outage, at least and at most.
const retries = [3, 4]
const laterRetries = [1, 2] // per minute after that

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
      eachPart(failed, ['CallListQuery', 'CallPanelQuery'], retries)
      const later = await countIn(5 * minute, page, requests)
      t.diagnostic(`in the five minutes after: ${show(later)}`)
      eachPart(later, ['CallListQuery', 'CallPanelQuery'], laterRetries.map((n) => 5 * n))

      await hide(page, true)
      assert.deepEqual(await countIn(2 * minute, page, requests), {}, 'a hidden page does not try again')
      await site.startGateway()
      const before = requests.length
      await hide(page, false)
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

    it('polls ever more rarely while the gateway is away and the list is on screen', async (t) => {
      const { page, context, requests } = await enterPage()
      await rows(page).filter({ hasText: 'In progress' }).first().waitFor()
      await site.stopGateway()
      await failure(page, 'No connection to the gateway').waitFor()
      const failed = await countIn(6 * minute, page, requests)
      t.diagnostic(`in six minutes without the gateway: ${show(failed)}`)
      eachPart(failed, ['CallListPageQuery', 'useUnfinishedCallsQuery'], [retries[0] + 5 * laterRetries[0], retries[1] + 5 * laterRetries[1]])
      const before = requests.length
      await page.getByRole('button', { name: 'Try again' }).click()
      await until('the request of the button', () => requests.length > before && requests.open === 0)
      assert.equal(requests.length, before + 1)
      await site.startGateway()
      await hide(page, true)
      await hide(page, false)
      await failure(page, 'No connection to the gateway').waitFor({ state: 'detached' })
      await context.close()
    })

    it('polls ever more rarely for rows while Revox fails', async (t) => {
      const { page, context, requests } = await enterPage()
      await rows(page).filter({ hasText: 'In progress' }).first().waitFor()
      await page.route('**/graphql', (route) => {
        const { query, variables } = route.request().postDataJSON()
        if (!/^query useUnfinishedCallsQuery/.test(query)) return route.continue()
        const errors = variables.ids.map((_, i) => ({ message: 'By the test.', path: ['nodes', i], extensions: { code: 'UPSTREAM_UNAVAILABLE' } }))
        const json = { data: { nodes: variables.ids.map(() => null) }, errors }
        return route.fulfill({ contentType: 'application/graphql-response+json', json })
      })
      const before = requests.length
      await until('the first failure', async () => {
        await page.clock.runFor(step)
        return requests.slice(before).some((request) => operation(request) === 'useUnfinishedCallsQuery')
      })
      const { useUnfinishedCallsQuery: polls } = await countIn(2 * minute, page, requests)
      t.diagnostic(`${polls} polls for rows in two minutes`)
      assert.ok(polls >= 3 && polls <= retries[1] + laterRetries[1] + 2, `${polls} polls`)
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

/** Milliseconds by which a test moves the clock on at once: less than any wait of the page. */
const step = 1000

/**
 * Moves the page's clock on, and counts the requests by their operation. Before each step, the page has no open
 * request. Between the steps the clock goes on by itself, so only the clock tells when the time is over.
 */
async function countIn(seconds, page, requests) {
  const before = requests.length
  const now = () => page.evaluate(() => Date.now())
  const end = (await now()) + seconds * 1000
  for (let left = seconds * 1000; left > 0; left = end - (await now())) {
    await page.clock.runFor(Math.min(step, left))
    await until('the responses', () => requests.open === 0)
  }
  return count(requests.slice(before))
}

/** Makes the page believe that its tab was hidden or shown. In a headless browser, every tab is visible. */
async function hide(page, hidden) {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }, hidden)
}

/** Checks which parts of the page send requests, and how many: steps of the clock may make one more or less. */
function eachPart(counts, names, [least, most]) {
  assert.deepEqual(Object.keys(counts).sort(), names)
  for (const [name, n] of Object.entries(counts)) assert.ok(n >= least - 1 && n <= most + 1, `${n} ${name}, expected ${least} to ${most}`)
}

function count(requests) {
  const counts = {}
  for (const name of requests.map(operation)) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const show = (counts) => Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(', ') || 'none'

/** Checks a number of requests: steps of the clock may make one more than fits. */
const atMost = (n, bound) => assert.ok((n ?? 0) <= bound + 1, `${n} requests, at most ${bound}`)
