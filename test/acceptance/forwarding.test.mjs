// Clients that send their own key for Revox: what GraphiQL and the example page say without a key, with a wrong one, with
// one that may not list calls, and with the right one.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { axe, axeOfGraphiQL, launch, screenshot, variants } from './browser.mjs'
import { binary, startGateway } from './gateway.mjs'
import { patience, suiteTimeout } from './limits.mjs'
import { describePage, failure, operation, rows } from './page.mjs'
import { startProgram } from './program.mjs'

const right = 'sk_right'

/** Starts the fake endpoint, which accepts one key, and returns the settings of a gateway in front of it that forwards keys. */
async function startRevox() {
  const fake = startProgram(binary, ['demo', '--listen', '127.0.0.1:0', '--calls-per-minute', '0', '--key', right], {})
  const address = await fake.printed(/http:\/\/127\.0\.0\.1:\d+\/api/)
  return { stop: fake.stop, settings: { REVOX_BASE_URL: address, GATEWAY_CREDENTIALS: 'forward' } }
}

const dialog = (page) => page.getByRole('dialog', { name: 'This gateway requires your Revox API key' })
async function enter(page, key) {
  await page.getByRole('textbox', { name: 'Revox API key' }).fill(key)
  await page.getByRole('button', { name: 'Continue' }).click()
}
const forbidden = { data: { calls: null }, errors: [{ message: 'By the test.', path: ['calls'], extensions: { code: 'FORBIDDEN' } }] }

describe('GraphiQL in front of a gateway that forwards keys', { timeout: suiteTimeout }, () => {
  let browser, revox, gateway
  before(async () => {
    browser = await launch()
    revox = await startRevox()
    gateway = await startGateway(revox.settings)
  })
  after(async () => {
    await browser?.close()
    await gateway?.stop()
    await revox?.stop()
  })

  async function visit(options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, bypassCSP: true, ...options })
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    await page.goto(gateway.url)
    return { page, context }
  }
  async function run(page) {
    await page.locator('.explorer:not([inert])').waitFor()
    await page.getByRole('button', { name: 'Execute query' }).click()
  }
  const shows = (page, text) => page.locator('.graphiql-response .view-lines').filter({ hasText: text }).waitFor()

  for (const [variant, options] of Object.entries(variants)) {
    it(`asks for a key, tries it, and shows calls: ${variant}`, async () => {
      const { page, context } = await visit(options)
      await dialog(page).waitFor()
      await screenshot(page, `explorer-key-${variant}`)
      await enter(page, 'sk_wrong')
      await page.getByText('Revox rejects this key.').waitFor()
      await screenshot(page, `explorer-wrong-own-key-${variant}`)
      assert.deepEqual(await axeOfGraphiQL(page), [])
      await enter(page, right)
      await dialog(page).waitFor({ state: 'detached' })
      await run(page)
      await shows(page, '"nodes"')
      await page.reload()
      await run(page)
      await shows(page, '"nodes"')
      assert.equal(await dialog(page).count(), 0, 'it asks once')
      assert.doesNotMatch(await page.evaluate(() => JSON.stringify(localStorage)), /sk_/)
      await context.close()
    })
  }

  it('asks again when Revox no longer accepts the key', async () => {
    const { page, context } = await visit()
    await enter(page, right)
    await dialog(page).waitFor({ state: 'detached' })
    await page.locator('.explorer:not([inert])').waitFor()
    await page.route('**/graphql', (route) => route.fulfill({ json: forbidden }), { times: 1 })
    await run(page)
    await page.getByText('Revox does not let this key list calls.').waitFor()
    await enter(page, right)
    await shows(page, '"nodes"')
    await context.close()
  })
})

describePage('The example page in front of a gateway that forwards keys', ({ serve, visit }) => {
  let revox, site
  before(async () => {
    revox = await startRevox()
    site = await serve(revox.settings)
  })
  after(() => revox?.stop())

  for (const [variant, options] of Object.entries(variants)) {
    it(`asks for a key, tries it, and shows the list: ${variant}`, async () => {
      const { page, context, requests, faults } = await visit(site, '', options)
      await dialog(page).waitFor()
      await screenshot(page, `page-key-missing-${variant}`)
      await enter(page, 'sk_wrong')
      await dialog(page).getByText('Revox rejects this key.').waitFor()
      await screenshot(page, `page-own-key-wrong-${variant}`)
      assert.deepEqual(await axe(page), [])
      await enter(page, right)
      await rows(page).first().waitFor()
      assert.equal(await dialog(page).count(), 0)
      assert.deepEqual(requests.slice(0, 4).map(operation), ['CallListQuery', 'tryToken', 'tryToken', 'CallListQuery'])
      await page.reload()
      await rows(page).first().waitFor()
      assert.equal(await dialog(page).count(), 0, 'it asks once')
      assert.deepEqual(faults, [])
      await context.close()
    })
  }

  it('asks for another key when Revox does not let the key list calls, and accepts a key that it cannot try', async () => {
    const { page, context } = await visit(site)
    await page.route('**/graphql', (route) => route.fulfill({ json: forbidden }), { times: 1 })
    await enter(page, 'sk_limited')
    await dialog(page).getByText('Revox does not let this key list calls.').waitFor()
    const down = { ...forbidden, errors: [{ ...forbidden.errors[0], extensions: { code: 'UPSTREAM_UNAVAILABLE', retryAfter: 1 } }] }
    await page.route('**/graphql', (route) => route.fulfill({ json: down }), { times: 2 })
    await enter(page, right)
    await failure(page, 'Revox does not respond').waitFor()
    await rows(page).first().waitFor()
    await context.close()
  })
})
