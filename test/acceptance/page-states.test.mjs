// What the example page looks like when there is no list to show: in light, in dark and on a phone, checked by axe.
import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { axe, screenshot, variants } from './browser.mjs'
import { describePage, enter, failure, rows } from './page.mjs'

const empty = { edges: [], pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null } }
const refused = (code, extensions) => ({ data: { calls: null }, errors: [{ message: 'By the test.', path: ['calls'], extensions: { code, ...extensions } }] })
// An error of the whole request, and not of a field
const withoutToken = { errors: [{ message: 'By the test.', extensions: { code: 'UNAUTHENTICATED' } }] }

/** The response to the first query, and what the page shows then. */
const states = {
  loading: { response: null, shows: (page) => page.getByRole('status', { name: 'Loading calls' }) },
  empty: { response: { data: { calls: empty } }, shows: (page) => page.getByText('There are no calls.') },
  token: { response: withoutToken, shows: (page) => page.getByRole('dialog') },
  'wrong-token': {
    response: withoutToken,
    then: (page) => enter(page, 'wrong'),
    shows: (page) => page.getByText('The gateway rejects this token.'),
  },
  'wrong-key': { response: refused('UPSTREAM_UNAUTHENTICATED'), shows: (page) => failure(page, 'Revox rejects the key of the gateway') },
  'upstream-down': { response: refused('UPSTREAM_UNAVAILABLE', { retryAfter: 30 }), shows: (page) => failure(page, 'Revox does not respond') },
}

describePage('The example page without a list', ({ serve, visit }) => {
  let site
  before(async () => {
    site = await serve({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
  })

  for (const [variant, options] of Object.entries(variants)) {
    for (const [state, { response, shows, then }] of Object.entries(states)) {
      it(`is accessible: ${state}, ${variant}`, async () => {
        const { page, context } = await visit(site, '', { ...options, respond: response })
        await then?.(page)
        await shows(page).waitFor()
        await look(page, `page-${state}-${variant}`)
        await context.close()
      })
    }

    it(`is accessible: stale, ${variant}`, async () => {
      const data = await site.query('{ calls(first: 50) { edges { cursor node { __typename id status phoneNumber startedAt durationSeconds result dialError } } pageInfo { hasNextPage endCursor hasPreviousPage startCursor } } }')
      const { page, context } = await visit(site, '', { ...options, respond: { data, extensions: { stale: 190 } } })
      await page.getByText(/^Revox does not respond\. The list is as of \d/).waitFor()
      await rows(page).first().waitFor()
      await look(page, `page-stale-${variant}`)
      await context.close()
    })
  }
})

async function look(page, name) {
  await screenshot(page, name)
  assert.deepEqual(await axe(page), [])
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  assert.ok(excess <= 0, 'nothing is wider than the screen')
}
