// The example page in a real browser, while the gateway or the network fails.
import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { axe, screenshot, until } from './browser.mjs'
import { describePage, enter, failure, operation, rows } from './page.mjs'

describePage('The example page during failures', ({ serve, visit }) => {
  let site
  before(async () => {
    site = await serve({ GATEWAY_TOKENS: 'right' })
  })
  const dialog = (page) => page.getByRole('dialog', { name: 'This gateway requires a token' })
  /** Opens the page and enters the token. */
  async function enterPage(options) {
    const visited = await visit(site, '', options)
    await enter(visited.page, 'right')
    await rows(visited.page).first().waitFor()
    return visited
  }

  it('asks for a token, tries it, and shows the list', async () => {
    const { page, context, faults, requests } = await visit(site)
    await dialog(page).waitFor()
    await screenshot(page, 'page-token')
    await enter(page, 'wrong')
    await dialog(page).getByText('The gateway rejects this token.').waitFor()
    await screenshot(page, 'page-token-wrong')
    assert.deepEqual(await axe(page), [])
    await enter(page, 'right')
    await rows(page).first().waitFor()
    assert.equal(await dialog(page).count(), 0)
    assert.deepEqual(requests.map(operation), ['CallListQuery', 'tryToken', 'tryToken', 'CallListQuery'])
    assert.deepEqual(faults, [])
    await context.close()
  })

  it('says why a text cannot be a token, and does not try it', async () => {
    const { page, context, requests } = await visit(site)
    for (const [text, flaw] of [
      ['ri…', 'A token cannot contain the character “…” (U+2026). Copy the whole token, and nothing else.'],
      ['Bearer right', 'A token cannot contain spaces.'],
      ['  ', 'Enter a token.'],
    ]) {
      await enter(page, text)
      await dialog(page).getByText(flaw).waitFor()
    }
    assert.deepEqual(requests.map(operation), ['CallListQuery'])
    await enter(page, ' right ')
    await rows(page).first().waitFor()
    await context.close()
  })

  it('asks once: not after a reload, in another part of the page or in another tab', async () => {
    const { page, context } = await enterPage()
    const id = await rows(page).first().getAttribute('data-call')
    await page.goto(`${site.url}?call=${id}`)
    await page.getByRole('region', { name: 'Call' }).getByRole('heading').first().waitFor()
    const tab = await context.newPage()
    await tab.goto(site.url)
    await rows(tab).first().waitFor()
    assert.equal(await tab.evaluate(() => sessionStorage.getItem('revox-graphql.token')), 'right')
    assert.equal(await tab.evaluate(() => JSON.stringify(localStorage)), '{}', 'nothing outlives the session')
    await context.close()
  })

  it('asks in one dialog for all parts of the page, and resumes each of them', async () => {
    const { page, context } = await visit(site, '?call=unknown')
    await dialog(page).waitFor()
    assert.equal(await dialog(page).count(), 1)
    // Browsers close a dialog at the second Escape, whatever the page does. While it is closed, Escape would close the call.
    for (let press = 0; press < 3; press++) {
      await page.keyboard.press('Escape')
      await dialog(page).waitFor()
    }
    await enter(page, 'right')
    await rows(page).first().waitFor()
    await page.getByText('There is no such call').or(failure(page, 'Too far back')).waitFor()
    await context.close()
  })

  it('uses a token that is entered in another tab meanwhile', async () => {
    const { page, context } = await visit(site)
    await dialog(page).waitFor()
    const tab = await context.newPage()
    await tab.goto(site.url)
    await enter(tab, 'right')
    await rows(tab).first().waitFor()
    await rows(page).first().waitFor()
    await context.close()
  })

  it('never tries a token of another tab again that the gateway has rejected', async () => {
    const { page, context, requests } = await visit(site)
    await dialog(page).waitFor()
    const tab = await context.newPage()
    await tab.goto(site.url)
    const offer = (token) => tab.evaluate((token) => new BroadcastChannel('revox-graphql.token').postMessage({ token }), token)
    const sent = requests.length
    for (const [i, token] of ['wrong', 'other'].entries()) {
      await offer(token)
      await until('the rejection', () => requests.length === sent + i + 1 && requests.at(-1).response !== null)
    }
    await offer('wrong')
    await offer('right') // the page gets this token after the others
    await rows(page).first().waitFor()
    assert.deepEqual(requests.slice(sent).map(operation), ['CallListQuery', 'CallListQuery', 'CallListQuery'])
    await context.close()
  })

  it("says that Revox rejects the gateway's key, which is not the token's fault", async () => {
    const { page, context, requests } = await enterPage()
    await reject(page, { code: 'UPSTREAM_UNAUTHENTICATED' })
    await page.reload()
    const message = failure(page, 'Revox rejects the key of the gateway')
    await message.getByText('The operator of the gateway must replace its key (REVOX_API_KEY). Your token is not the cause.').waitFor()
    await screenshot(page, 'page-key')
    assert.deepEqual(await axe(page), [])
    assert.equal(await dialog(page).count(), 0)
    const before = requests.length
    await message.getByRole('button', { name: 'Try again' }).click()
    await message.getByRole('button', { name: 'Try again' }).waitFor()
    assert.equal(requests.length, before + 1)
    await context.close()
  })

  it('says that the gateway cannot be reached, and continues by itself when it is back', async () => {
    const { page, context } = await enterPage({ clock: true })
    await site.stopGateway()
    await failure(page, 'No connection to the gateway').waitFor()
    assert.ok(await rows(page).first().isVisible(), 'loaded calls stay visible')
    await screenshot(page, 'page-failure')
    assert.deepEqual(await axe(page), [])
    const other = await visit(site, '', { clock: true })
    await failure(other.page, 'No connection to the gateway').waitFor()
    await site.startGateway()
    for (const tab of [page, other.page]) await tab.clock.runFor(60_000) // the longest wait
    await failure(page, 'No connection to the gateway').waitFor({ state: 'detached' })
    await dialog(other.page).waitFor()
    await context.close()
    await other.context.close()
  })

  it('says that it is offline, and continues at once when it is online', async () => {
    const { page, context, requests } = await enterPage({ clock: true })
    await context.setOffline(true)
    await failure(page, 'You are offline').waitFor()
    await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1000) // so that no wait ends by itself
    const before = requests.length
    await context.setOffline(false)
    await failure(page, 'You are offline').waitFor({ state: 'detached' })
    assert.ok(requests.length > before, 'a request was sent')
    await context.close()
  })

  it('waits as long as retryAfter says when Revox is too busy', async () => {
    const { page, context, requests } = await enterPage({ clock: true })
    await reject(page, { code: 'UPSTREAM_RATE_LIMITED', retryAfter: 40 }, 1)
    await page.reload()
    await failure(page, 'Too many requests').waitFor()
    const before = requests.length
    await page.clock.runFor(20_000)
    assert.equal(requests.length, before, 'it waits')
    await page.clock.runFor(21_000)
    await rows(page).first().waitFor()
    assert.equal(requests.length, before + 1, 'and sends one request')
    await context.close()
  })

  it('reloads the list when its cursor has expired', async () => {
    const { page, context } = await enterPage()
    await reject(page, { code: 'CURSOR_EXPIRED' }, 1)
    await failure(page, 'The list has changed').waitFor()
    await page.getByRole('button', { name: 'Load again' }).click()
    await page.getByRole('alert').waitFor({ state: 'detached' })
    assert.ok(await rows(page).first().isVisible())
    await context.close()
  })
})

/** Lets the next requests, or all, fail with an error of the gateway. */
async function reject(page, extensions, times) {
  const body = JSON.stringify({ data: { calls: null }, errors: [{ message: 'Rejected by the test.', path: ['calls'], extensions }] })
  await page.route('**/graphql', (route) => route.fulfill({ contentType: 'application/graphql-response+json', body }), { times })
}
