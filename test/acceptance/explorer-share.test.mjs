// GraphiQL apart from queries that work: links, errors, phones and accessibility.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { chromium } from 'playwright-core'
import { startGateway } from './gateway.mjs'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const screenshots = process.env.SCREENSHOTS

describe('GraphiQL, apart from queries that work', { timeout: 180_000 }, () => {
  let browser, gateway
  const closing = []
  before(async () => {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
    gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
  })
  after(async () => {
    await browser?.close()
    await gateway?.stop()
    for (const close of closing) await close()
  })

  /** Opens GraphiQL as a first-time visitor. */
  async function visit(address, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, bypassCSP: options.audited, permissions: ['clipboard-read', 'clipboard-write'], ...options })
    context.setDefaultTimeout(20_000)
    const page = await context.newPage()
    await page.goto(address)
    await page.locator('.explorer:not([inert])').waitFor()
    return page
  }
  const run = (page) => page.getByRole('button', { name: 'Execute query' }).click()
  const shows = (page, text) => page.locator('.graphiql-response .view-lines').filter({ hasText: text }).waitFor()
  /** Replaces what is in the header editor, by pasting: typing would close brackets. */
  async function pasteHeaders(page, text) {
    await page.locator('.graphiql-editor:not(.hidden) .monaco-editor').last().click()
    await page.evaluate((text) => navigator.clipboard.writeText(text), text)
    await page.keyboard.press('Control+A')
    await page.keyboard.press('Control+V')
  }
  async function picture(page, name) {
    if (!screenshots) return
    await mkdir(screenshots, { recursive: true })
    await page.screenshot({ path: join(screenshots, `explorer-${name}.png`) })
  }

  const query = 'query Linked($n: Int!) {\n  calls(first: $n) {\n    nodes {\n      id\n    }\n  }\n}'
  const variables = '{ "n": 3 }'

  it('is usable soon, and sends requests to this gateway only', async (t) => {
    const context = await browser.newContext()
    context.setDefaultTimeout(20_000)
    const page = await context.newPage()
    const finished = []
    page.on('requestfinished', (request) => finished.push(request))
    const start = performance.now()
    await page.goto(gateway.url)
    await page.locator('.explorer:not([inert])').waitFor()
    const ready = performance.now() - start
    await run(page)
    await shows(page, '"nodes"')
    const answered = performance.now() - start
    await page.waitForLoadState('networkidle')
    assert.deepEqual(finished.map((request) => request.url()).filter((url) => !url.startsWith(gateway.url) && !url.startsWith('blob:')), [])
    const sizes = await Promise.all(finished.map((request) => request.sizes().then((size) => size.responseBodySize, () => 0)))
    const bytes = sizes.reduce((sum, n) => sum + n, 0)
    t.diagnostic(`ready after ${(ready / 1000).toFixed(1)} s, first response after ${(answered / 1000).toFixed(1)} s, ${bytes} bytes in ${finished.length} requests`)
    assert.ok(bytes < 1_150_000, `${bytes} bytes`)
    await context.close()
  })

  it('opens a link with a query and its variables, and runs it', async () => {
    const page = await visit(`${gateway.url}#query=${encodeURIComponent(query)}&variables=${encodeURIComponent(variables)}`)
    await page.getByRole('tab', { name: 'Linked', selected: true }).waitFor()
    const asked = page.waitForRequest((request) => request.url().endsWith('/graphql') && request.postDataJSON().operationName === 'Linked')
    await run(page)
    assert.deepEqual((await asked).postDataJSON().variables, { n: 3 })
    await shows(page, '"nodes"')
    await page.context().close()
  })

  it('copies a link that opens the same query in another browser, without headers', async () => {
    const page = await visit(`${gateway.url}#query=${encodeURIComponent(query)}&variables=${encodeURIComponent(variables)}`)
    await page.getByRole('button', { name: 'Headers', exact: true }).click()
    await pasteHeaders(page, '{"Authorization": "Bearer do-not-share"}')
    await page.getByRole('button', { name: /^Copy a link/ }).click()
    await page.getByRole('button', { name: 'The link is copied' }).waitFor()
    const link = await page.evaluate(() => navigator.clipboard.readText())
    assert.doesNotMatch(decodeURIComponent(link), /do-not-share/)
    const parameters = new URLSearchParams(new URL(link).hash.slice(1))
    assert.equal(parameters.get('query'), query)
    assert.equal(parameters.get('variables'), variables)
    await page.context().close()
    const other = await visit(link)
    await other.getByRole('tab', { name: 'Linked', selected: true }).waitFor()
    await other.context().close()
  })

  it('explains a missing token, until there is one', async () => {
    const locked = await startGateway({ GATEWAY_TOKENS: 'letmein' })
    closing.push(() => locked.stop())
    const page = await visit(locked.url)
    await run(page)
    const alert = page.getByRole('alert').filter({ hasText: 'requires a token' })
    await alert.waitFor()
    await page.getByRole('button', { name: 'Headers', exact: true }).click()
    await page.locator('.graphiql-editor:not(.hidden) .view-lines').filter({ hasText: '"Authorization": "Bearer your-token"' }).waitFor()
    await picture(page, 'token')
    await pasteHeaders(page, '{"Authorization": "Bearer letmein"}')
    await run(page)
    await shows(page, '"nodes"')
    await alert.waitFor({ state: 'hidden' })
    await page.context().close()
  })

  it('reports an upstream error, and when to retry', async () => {
    const upstream = createServer((_, response) => response.writeHead(429, { 'retry-after': '7' }).end()).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const limited = await startGateway({ REVOX_API_KEY: 'key', REVOX_BASE_URL: `http://127.0.0.1:${upstream.address().port}` })
    closing.push(async () => {
      await limited.stop()
      upstream.close()
    })
    const page = await visit(limited.url)
    await run(page)
    await page.getByRole('alert').filter({ hasText: /limits the number of requests\. Run the query again in [67] s/ }).waitFor()
    assert.equal(await page.getByText('Demo data').count(), 0, 'it is no demo')
    await picture(page, 'limited')
    await page.context().close()
  })

  it('reports an unreachable gateway', async () => {
    const gone = await startGateway()
    const page = await visit(gone.url)
    await gone.stop()
    await run(page)
    await page.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor()
    await page.context().close()
  })

  for (const [name, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    phone: { viewport: { width: 375, height: 740 }, hasTouch: true },
  })) {
    it(`has no serious accessibility violation of its own: ${name}`, async (t) => {
      const page = await visit(gateway.url, { ...options, audited: true, bypassCSP: true })
      await run(page)
      await shows(page, '"nodes"')
      await picture(page, `audited-${name}`)
      await page.evaluate(axe)
      // GraphiQL's: a tab's close button is inside of the tab, and the colors of code are its editor's theme.
      const { violations } = await page.evaluate(() =>
        window.axe.run({ exclude: ['.monaco-editor'] }, { resultTypes: ['violations'], rules: { 'nested-interactive': { enabled: false } } }),
      )
      const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
      t.diagnostic(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(' | ')}`).join('\n') || 'none')
      if (name === 'phone') assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is cut off at the side')
      assert.deepEqual(serious.map(({ id }) => id), [])
      await page.context().close()
    })
  }
})
