// GraphiQL's token: entered once, tried, and shared by all tabs. GraphiQL before a response, and after an error: in
// light, in dark and on a phone, checked by axe.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { axeOfGraphiQL, launch, screenshot, until, variants } from './browser.mjs'
import { startGateway } from './gateway.mjs'
import { patience, suiteTimeout } from './limits.mjs'

describe('GraphiQL in front of a gateway with tokens', { timeout: suiteTimeout }, () => {
  let browser, gateway
  before(async () => {
    browser = await launch()
    gateway = await startGateway({ GATEWAY_TOKENS: 'right', GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
  })
  after(async () => {
    await browser?.close()
    await gateway?.stop()
  })

  /** Opens GraphiQL as a first-time visitor, and records the operations that it sends. */
  async function visit(options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, bypassCSP: true, ...options })
    context.setDefaultTimeout(patience)
    return { context, ...(await open(context)) }
  }
  async function open(context) {
    const page = await context.newPage()
    const operations = []
    page.on('request', (request) => request.url().endsWith('/graphql') && operations.push(request.postDataJSON().operationName ?? 'accepts'))
    await page.goto(gateway.url)
    return { page, operations }
  }
  const dialog = (page) => page.getByRole('dialog', { name: 'This gateway requires a token' })
  async function enter(page, token) {
    await page.getByRole('textbox', { name: 'Token' }).fill(token)
    await page.getByRole('button', { name: 'Continue' }).click()
  }
  const run = async (page) => {
    await page.locator('.explorer:not([inert])').waitFor()
    await page.getByRole('button', { name: 'Execute query' }).click()
  }
  const shows = (page, text) => page.locator('.graphiql-response .view-lines').filter({ hasText: text }).waitFor()

  it('asks for a token, tries it, and loads the schema after it', async () => {
    const { page, context, operations } = await visit()
    await dialog(page).waitFor()
    await enter(page, 'wrong')
    await page.getByText('The gateway rejects this token.').waitFor()
    // Browsers close a dialog at the second Escape, whatever the page does.
    for (let press = 0; press < 3; press++) await page.keyboard.press('Escape')
    await enter(page, 'right')
    await dialog(page).waitFor({ state: 'detached' })
    assert.deepEqual(operations, ['IntrospectionQuery', 'accepts', 'accepts', 'IntrospectionQuery'])
    await run(page)
    await shows(page, '"nodes"')
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
    await page.locator('.graphiql-doc-explorer').getByRole('link', { name: 'Query' }).waitFor()
    assert.doesNotMatch(await page.evaluate(() => JSON.stringify(localStorage)), /right"|Bearer/, 'the token is not stored beyond the session')
    await context.close()
  })

  it('says why a text cannot be a token, and does not try it', async () => {
    const { page, context, operations } = await visit()
    await dialog(page).waitFor()
    for (const [text, flaw] of [
      ['ri…', 'A token cannot contain the character “…” (U+2026). Copy the whole token, and nothing else.'],
      ['ri\u200bght', 'A token cannot contain the character “\u200b” (U+200B).'],
      ['é', 'A token cannot contain the character “é” (U+00E9).'],
      ['Bearer right', 'A token cannot contain spaces.'],
      ['  ', 'Enter a token.'],
    ]) {
      await enter(page, text)
      await page.getByRole('alert').getByText(flaw).waitFor()
      if (text === 'ri…') await look(page, 'impossible-token')
    }
    assert.deepEqual(operations, ['IntrospectionQuery'])
    await enter(page, ' right ')
    await dialog(page).waitFor({ state: 'detached' })
    await context.close()
  })

  it('asks once: not after a reload, and not in another tab', async () => {
    const { page, context } = await visit()
    await enter(page, 'right')
    await dialog(page).waitFor({ state: 'detached' })
    await page.reload()
    await run(page)
    await shows(page, '"nodes"')
    const tab = await open(context)
    await run(tab.page)
    await shows(tab.page, '"nodes"')
    assert.equal(await dialog(tab.page).count(), 0)
    await context.close()
  })

  it('asks again when the gateway no longer accepts the token', async () => {
    const { page, context } = await visit()
    await enter(page, 'right')
    await dialog(page).waitFor({ state: 'detached' })
    await page.locator('.explorer:not([inert])').waitFor()
    await page.route('**/graphql', (route) => route.fulfill({ status: 401, json: { errors: [{ message: 'By the test.', extensions: { code: 'UNAUTHENTICATED' } }] } }), { times: 1 })
    await run(page)
    await page.getByText('The gateway rejects this token.').waitFor()
    await enter(page, 'right')
    await shows(page, '"nodes"')
    await context.close()
  })

  it('sends an Authorization header that the user has written, and says that it is wrong', async () => {
    const { page, context } = await visit({ permissions: ['clipboard-read', 'clipboard-write'] })
    await enter(page, 'right')
    await page.locator('.explorer:not([inert])').waitFor()
    await page.getByRole('button', { name: 'Headers', exact: true }).click()
    await page.locator('.graphiql-editor:not(.hidden) .monaco-editor').last().click()
    await page.evaluate(() => navigator.clipboard.writeText('{"Authorization": "Bearer mine"}'))
    await page.keyboard.press('Control+A')
    await page.keyboard.press('Control+V')
    await run(page)
    await page.getByRole('alert').filter({ hasText: 'The Authorization header in Headers, below the query, is rejected.' }).waitFor()
    assert.equal(await dialog(page).count(), 0)
    await context.close()
  })

  const failed = (code, extensions) => ({ data: { calls: null }, errors: [{ message: 'By the test.', path: ['calls'], extensions: { code, ...extensions } }] })
  const alert = (text) => (page) => page.getByRole('alert').filter({ hasText: text })
  /** For each state: the response to the query, what GraphiQL shows then, and how to leave the state. */
  const states = {
    loading: {
      response: null,
      shows: (page) => page.getByRole('button', { name: 'Stop query' }),
      then: (page) => page.getByRole('button', { name: 'Stop query' }).click(),
    },
    'wrong-key': { response: failed('UPSTREAM_UNAUTHENTICATED'), shows: alert('must replace REVOX_API_KEY') },
    'upstream-down': { response: failed('UPSTREAM_UNAVAILABLE', { retryAfter: 5 }), shows: alert('Run it again in 5 s.') },
    stale: {
      response: { data: { calls: { nodes: [] } }, extensions: { stale: 190 } },
      shows: (page) => page.locator('.status-bar').getByText('Revox fails'),
    },
  }

  for (const [variant, options] of Object.entries(variants)) {
    it(`is accessible in each state: ${variant}`, async () => {
      const { page, context } = await visit(options)
      await dialog(page).waitFor()
      await page.locator('.explorer:not([inert])').waitFor()
      await look(page, `token-${variant}`)
      await enter(page, 'wrong')
      await page.getByText('The gateway rejects this token.').waitFor()
      await look(page, `wrong-token-${variant}`)
      const schema = page.waitForResponse((response) => response.ok() && response.request().postDataJSON()?.operationName === 'IntrospectionQuery')
      await enter(page, 'right')
      await dialog(page).waitFor({ state: 'detached' })
      await (await schema).finished() // Its response ends what the page says of a query.
      await look(page, `empty-${variant}`)
      let current
      await page.route('**/graphql', (route) => current.response && route.fulfill({ json: current.response, headers: { age: '190' } }))
      for (const [state, expected] of Object.entries(states)) {
        current = expected
        await run(page)
        await expected.shows(page).waitFor()
        await look(page, `${state}-${variant}`)
        await expected.then?.(page)
      }
      await context.close()
    })
  }
})

async function look(page, name) {
  await until('the end of animations', () => page.evaluate(() => document.getAnimations().every((animation) => animation.effect.getTiming().iterations === Infinity)))
  await screenshot(page, `explorer-${name}`)
  assert.deepEqual(await axeOfGraphiQL(page), [], name)
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `nothing is wider than the screen: ${name}`)
}
