// The example page in a real browser, while the gateway or the network fails.
import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { axe, describePage, failure, rows, screenshot } from './page.mjs'

describePage('The example page during failures', ({ serve, visit }) => {
  let site
  before(async () => {
    site = await serve({ GATEWAY_TOKENS: 'right' })
  })
  const present = async (page, token) => {
    await page.getByLabel('Token').fill(token)
    await page.getByRole('button', { name: 'Show calls' }).click()
  }

  it('requests a token, and again after a wrong one', async () => {
    const { page, context, faults } = await visit(site)
    await failure(page, 'Who are you?').waitFor()
    await screenshot(page, 'page-token')
    const rejected = page.waitForResponse(/graphql/)
    await present(page, 'wrong')
    await rejected
    await failure(page, 'Who are you?').waitFor()
    await present(page, 'right')
    await rows(page).first().waitFor()
    assert.equal(await page.getByRole('alert').count(), 0)
    assert.deepEqual(faults, [])
    await context.close()
  })

  it('says that the gateway cannot be reached, and continues by itself when it is back', async () => {
    const { page, context } = await visit(site)
    await present(page, 'right')
    await rows(page).first().waitFor()
    await site.stopGateway()
    await failure(page, 'No answer').waitFor()
    assert.ok(await rows(page).first().isVisible(), 'loaded calls stay visible')
    await screenshot(page, 'page-failure')
    assert.deepEqual(await axe(page), [])
    const reader = await visit(site)
    await failure(reader.page, 'No answer').waitFor()
    await site.startGateway()
    await failure(page, 'No answer').waitFor({ state: 'detached' })
    await failure(reader.page, 'Who are you?').waitFor()
    await context.close()
    await reader.context.close()
  })

  it('says that it is offline, and continues at once when it is online', async () => {
    const { page, context, requests } = await visit(site)
    await present(page, 'right')
    await rows(page).first().waitFor()
    await context.setOffline(true)
    await failure(page, 'You are offline').waitFor()
    const before = requests.length
    await context.setOffline(false)
    await failure(page, 'You are offline').waitFor({ state: 'detached', timeout: 4_500 }) // by itself after 5 s
    assert.ok(requests.length > before, 'a request was sent')
    await context.close()
  })

  it('waits as long as retryAfter says when Revox is too busy', async () => {
    const { page, context, requests } = await visit(site)
    await reject(page, { code: 'UPSTREAM_RATE_LIMITED', retryAfter: 2 }, 1)
    await page.reload()
    await failure(page, 'Very busy just now').waitFor()
    const before = requests.length
    const since = Date.now()
    await failure(page, 'Who are you?').waitFor()
    assert.ok(Date.now() - since > 1_000, 'it waited')
    assert.equal(requests.length, before + 1, 'and sent one request')
    await context.close()
  })

  it('reloads the list when its cursor has expired', async () => {
    const { page, context } = await visit(site)
    await present(page, 'right')
    await rows(page).first().waitFor()
    await reject(page, { code: 'CURSOR_EXPIRED' }, 1)
    await failure(page, 'The list has moved on').waitFor()
    await page.getByRole('button', { name: 'Load anew' }).click()
    await page.getByRole('alert').waitFor({ state: 'detached' })
    assert.ok(await rows(page).first().isVisible())
    await context.close()
  })
})

/** Lets the next requests fail with an error of the gateway. */
async function reject(page, extensions, times) {
  const body = JSON.stringify({ data: { calls: null }, errors: [{ message: 'Rejected by the test.', path: ['calls'], extensions }] })
  await page.route('**/graphql', (route) => route.fulfill({ contentType: 'application/graphql-response+json', body }), { times })
}
