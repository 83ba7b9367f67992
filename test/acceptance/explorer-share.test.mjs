// GraphiQL apart from queries that work: links, errors, phones and accessibility.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { axeOfGraphiQL, launch, screenshot, until, variants } from './browser.mjs'
import { startGateway } from './gateway.mjs'
import { commandTimeout, patience, suiteTimeout } from './limits.mjs'

describe('GraphiQL, apart from queries that work', { timeout: suiteTimeout }, () => {
  let browser, gateway
  const closing = []
  before(async () => {
    browser = await launch()
    gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
  })
  after(async () => {
    await browser?.close()
    await gateway?.stop()
    for (const close of closing) await close()
  })

  /** Opens GraphiQL as a first-time visitor. */
  async function visit(address, { clock = false, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'], ...options })
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    if (clock) await page.clock.install()
    await page.goto(address)
    await page.locator('.explorer:not([inert])').waitFor()
    return page
  }
  const run = (page) => page.getByRole('button', { name: 'Execute query' }).click()
  /** Waits for the request with an operation. */
  const asking = (page, name) =>
    page.waitForRequest((request) => request.url().endsWith('/graphql') && request.postDataJSON().operationName === name)
  const shows = (page, text) => page.locator('.graphiql-response .view-lines').filter({ hasText: text }).waitFor()
  /** Replaces the content of the header editor by pasting: typing would add closing brackets. */
  async function pasteHeaders(page, text) {
    await page.locator('.graphiql-editor:not(.hidden) .monaco-editor').last().click()
    await page.evaluate((text) => navigator.clipboard.writeText(text), text)
    await page.keyboard.press('Control+A')
    await page.keyboard.press('Control+V')
  }
  const query = 'query Linked($n: Int!) {\n  calls(first: $n) {\n    nodes {\n      id\n    }\n  }\n}'
  const variables = '{ "n": 3 }'

  it('is usable soon, and sends requests to this gateway only', async (t) => {
    const context = await browser.newContext()
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    const requests = [], finished = []
    const open = new Set()
    // The editor ends a worker and starts another when its settings change. If the first worker's script was still
    // loading, Chromium reports neither its end nor a failure.
    const ofWorker = (request) => /\/assets\/\w+\.worker-[^/]+\.js$/.test(request.url())
    page.on('request', (request) => {
      requests.push(request)
      if (!ofWorker(request)) open.add(request)
    })
    page.on('requestfailed', (request) => open.delete(request))
    page.on('requestfinished', (request) => {
      finished.push(request)
      open.delete(request)
    })
    const start = performance.now()
    await page.goto(gateway.url)
    await page.locator('.explorer:not([inert])').waitFor()
    const ready = performance.now() - start
    await run(page)
    await shows(page, '"nodes"')
    const answered = performance.now() - start
    await until('the end of all requests, also of a worker', () => open.size === 0 && requests.some(ofWorker))
    assert.deepEqual(requests.map((request) => request.url()).filter((url) => !url.startsWith(gateway.url)), [])
    const sizes = await Promise.all(finished.map((request) => request.sizes().then((size) => size.responseBodySize, () => 0)))
    const bytes = sizes.reduce((sum, n) => sum + n, 0)
    t.diagnostic(`ready after ${(ready / 1000).toFixed(1)} s, first response after ${(answered / 1000).toFixed(1)} s, ${bytes} bytes in ${finished.length} requests`)
    assert.ok(bytes < 1_150_000, `${bytes} bytes`)
    await context.close()
  })

  it('opens a link with a query and its variables, and runs it', async () => {
    const page = await visit(`${gateway.url}#query=${encodeURIComponent(query)}&variables=${encodeURIComponent(variables)}`)
    await page.getByRole('tab', { name: 'Linked', selected: true }).waitFor()
    const asked = asking(page, 'Linked')
    await run(page)
    assert.deepEqual((await asked).postDataJSON().variables, { n: 3 })
    await shows(page, '"nodes"')
    await page.context().close()
  })

  it('opens links in a page that is open already, beside the other tabs and only once', async () => {
    const page = await visit(gateway.url)
    const tabs = page.getByRole('tab')
    const names = ['NewestCalls', 'Transcripts', 'Answered']
    assert.deepEqual(await tabs.allInnerTexts(), names)
    await page.evaluate(() => (window.isTheFirstPage = true))
    await page.locator('.graphiql-query-editor .monaco-editor').click()
    await page.keyboard.type('# mine ')

    const link = `${gateway.url}#query=${encodeURIComponent(query)}&variables=${encodeURIComponent(variables)}`
    await page.goto(link)
    await page.getByRole('tab', { name: 'Linked', selected: true }).waitFor()
    await screenshot(page, 'explorer-linked')
    assert.equal(await page.evaluate(() => window.isTheFirstPage), true, 'the page is still the same')
    assert.deepEqual(await tabs.allInnerTexts(), [...names, 'Linked'])
    const asked = asking(page, 'Linked')
    await run(page)
    assert.deepEqual((await asked).postDataJSON().variables, { n: 3 })
    await shows(page, '"nodes"')

    await page.getByRole('tab', { name: 'NewestCalls' }).click()
    await page.locator('.graphiql-query-editor .view-lines').filter({ hasText: 'mine' }).waitFor()
    await page.goto(link)
    await page.getByRole('tab', { name: 'Linked', selected: true }).waitFor()
    assert.deepEqual(await tabs.allInnerTexts(), [...names, 'Linked'], 'the tab with the query is opened')

    await page.goto(`${gateway.url}#query=${encodeURIComponent('query Second { __typename }')}`)
    await page.getByRole('tab', { name: 'Second', selected: true }).waitFor()
    const editor = page.getByRole('region', { name: 'Variables' }).locator('.graphiql-editor:not(.hidden) .view-lines')
    await editor.filter({ hasNotText: '3' }).waitFor()
    await page.goBack()
    await page.getByRole('tab', { name: 'Linked', selected: true }).waitFor()
    assert.deepEqual(await tabs.allInnerTexts(), [...names, 'Linked', 'Second'])
    await page.context().close()
  })

  it('executes the query of a link as soon as its tab is shown', async () => {
    const page = await visit(gateway.url)
    const asked = asking(page, 'Linked')
    await page.evaluate((hash) => {
      const follow = new MutationObserver(() => {
        if (!document.querySelector('[role=tab][aria-selected=true]')?.textContent.includes('Linked')) return
        follow.disconnect()
        document.querySelector('.graphiql-execute-button').click()
      })
      follow.observe(document, { childList: true, subtree: true, attributes: true })
      location.hash = hash
    }, `query=${encodeURIComponent(query)}&variables=${encodeURIComponent(variables)}`)
    assert.deepEqual((await asked).postDataJSON().variables, { n: 3 })
    await shows(page, '"nodes"')
    await page.context().close()
  })

  it('opens a link that comes before the editors are ready', async () => {
    const context = await browser.newContext()
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    await page.addInitScript((hash) => {
      const follow = new MutationObserver(() => {
        if (!document.querySelector('.explorer[inert]')) return
        follow.disconnect()
        location.hash = hash
      })
      follow.observe(document, { childList: true, subtree: true })
    }, `query=${encodeURIComponent(query)}`)
    await page.goto(gateway.url)
    await page.getByRole('tab', { name: 'Linked', selected: true }).waitFor()
    assert.deepEqual(await page.getByRole('tab').allInnerTexts(), ['NewestCalls', 'Transcripts', 'Answered', 'Linked'])
    await context.close()
  })

  it('opens a link without variables once, and not with the variables of another tab', async () => {
    const page = await visit(`${gateway.url}#query=${encodeURIComponent(query)}&variables=${encodeURIComponent(variables)}`)
    const item = (key) => page.evaluate((key) => localStorage.getItem(key), key)
    const stored = (key, text) => until(`${text} in the storage`, async () => (await item(key))?.includes(text))
    await page.locator('.graphiql-editor:not(.hidden) .monaco-editor').last().click()
    await page.keyboard.press('End')
    await page.keyboard.type(' ')
    await stored('graphiql:variables', '"n": 3')
    const link = `${gateway.url}#query=${encodeURIComponent('query Second { __typename }')}`
    for (let visits = 0; visits < 2; visits++) {
      await page.goto('about:blank')
      await page.goto(link)
      await page.locator('.explorer:not([inert])').waitFor()
      await page.getByRole('tab', { name: 'Second', selected: true }).waitFor()
      assert.equal(await page.evaluate(() => document.querySelectorAll('[role=tab]').length), 5)
      const asked = asking(page, 'Second')
      await run(page)
      assert.equal((await asked).postDataJSON().variables, undefined)
      await stored('graphiql:tabState', 'Second')
    }
    await page.context().close()
  })

  it('sends headers of the user in place of its own, in any case', async () => {
    const page = await visit(gateway.url)
    await page.getByRole('button', { name: 'Headers', exact: true }).click()
    const json = 'application/json'
    await pasteHeaders(page, JSON.stringify({ 'Content-Type': json, ACCEPT: json, 'x-Twice': 1, 'X-twice': 2 }))
    const asked = asking(page, 'NewestCalls')
    await run(page)
    const headers = await (await asked).allHeaders()
    assert.equal(headers['content-type'], json)
    assert.equal(headers.accept, json)
    assert.equal(headers['x-twice'], '2')
    await shows(page, '"nodes"')
    await page.context().close()
  })

  it('says which header cannot be sent', async () => {
    const page = await visit(gateway.url)
    await page.getByRole('button', { name: 'Headers', exact: true }).click()
    for (const [headers, message] of [
      [{ '': 'a' }, 'header "" has a wrong name.'],
      [{ 'X Name': 'a' }, 'header "X Name" has a wrong name. Names consist of letters, digits and hyphens.'],
      [{ 'X-Lines': 'a\nb' }, 'header "X-Lines" has a wrong value.'],
      [{ 'X-Null': null }, 'header "X-Null" has a wrong value.'],
      [{ 'X-Ellipsis': 'a…' }, 'header "X-Ellipsis" has a wrong value. Values are one line of text in Latin-1.'],
    ]) {
      await pasteHeaders(page, JSON.stringify(headers))
      await run(page)
      await shows(page, JSON.stringify(message).slice(1, -1).replaceAll(' ', '\u00a0'))
      assert.doesNotMatch(await page.locator('.graphiql-response').innerText(), /stack/)
    }
    await screenshot(page, 'explorer-wrong-header')
    await page.context().close()
  })

  it('says why it copies nothing', async () => {
    const page = await visit(gateway.url)
    const uncaught = []
    page.on('pageerror', (error) => uncaught.push(error))
    const copy = async (name, message) => {
      await page.evaluate(() => navigator.clipboard.writeText('before'))
      await page.getByRole('button', { name: /^(Copy as|Not copied)/ }).click()
      await page.getByRole('menuitem', { name: `Copy as ${name}` }).click()
      await page.getByRole('button', { name: message }).waitFor()
      await page.getByRole('tooltip', { name: message }).waitFor()
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'before')
    }
    await pasteHeaders(page, '{"n": }') // The variables: the last editor that is shown.
    const invalid = 'Not copied. Variables are invalid JSON: expected a value at line 1, column 7.'
    for (const name of ['cURL', 'fetch']) await copy(name, invalid)
    await screenshot(page, 'explorer-not-copied')
    await pasteHeaders(page, '[1]')
    await copy('cURL', 'Not copied. Variables are not a JSON object.')
    await pasteHeaders(page, '')
    await page.getByRole('button', { name: 'Headers', exact: true }).click()
    await pasteHeaders(page, '{"X-Name": "a" "b"}')
    await copy('cURL', /^Not copied\. Request headers are invalid JSON: /)
    await pasteHeaders(page, '{"X Name": "a"}')
    await copy('fetch', /^Not copied\. Request header "X Name" has a wrong name\./)
    await page.setViewportSize(variants.phone.viewport)
    await copy('cURL', /^Not copied\. Request header "X Name"/)
    const { x, width } = await page.locator('.graphiql-tooltip').boundingBox()
    assert.ok(x >= 0 && x + width <= variants.phone.viewport.width, `the reason is in view: ${x} + ${width}`)
    await screenshot(page, 'explorer-not-copied-phone')
    assert.deepEqual(uncaught, [])
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

  it('copies a query as cURL and as a script with fetch, which run, without the token', async () => {
    const locked = await startGateway({ GATEWAY_TOKENS: 'letmein', GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
    closing.push(() => locked.stop())
    const quotes = 'query Quotes($n: Int!) {\n  # \\ \'single\' "double" `back` ${template}\n  calls(first: $n) {\n    nodes {\n      id\n    }\n  }\n}'
    const page = await visit(`${locked.url}#query=${encodeURIComponent(quotes)}&variables=${encodeURIComponent('{ "n": 2 } // two')}`)
    await page.getByRole('textbox', { name: 'Token' }).fill('letmein')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Headers', exact: true }).click()
    await pasteHeaders(page, '{"X-Request-Id": "it\'s mine"}')

    const copy = async (name) => {
      await page.getByRole('button', { name: /^(Copy as|Copied as)/ }).click()
      await page.getByRole('menuitem', { name: `Copy as ${name}` }).click()
      await page.getByRole('button', { name: `Copied as ${name}` }).waitFor()
      return page.evaluate(() => navigator.clipboard.readText())
    }
    const env = { ...process.env, GATEWAY_TOKEN: 'letmein' }
    for (const [name, command, option] of [['cURL', 'sh', '-c'], ['fetch', process.execPath, '--input-type=module']]) {
      const text = await copy(name)
      assert.doesNotMatch(text, /letmein/)
      assert.match(text, /it.*s mine/)
      const args = option === '-c' ? [option, text] : [option, '--eval', text]
      const { stdout } = await promisify(execFile)(command, args, { env, timeout: commandTimeout })
      const { data } = JSON.parse(stdout)
      assert.equal(data.calls.nodes.length, 2, name)
    }
    await page.context().close()
  })

  it('runs the query by Ctrl-Enter before a click into the editor', async () => {
    const page = await visit(gateway.url)
    assert.equal(await page.evaluate(() => document.activeElement === document.body), true)
    let runs = 0
    page.on('request', (request) => (runs += request.url().endsWith('/graphql') && request.postDataJSON().operationName === 'NewestCalls'))
    await page.keyboard.press('Control+Enter')
    await shows(page, '"nodes"')
    assert.equal(runs, 1)
    await page.locator('.graphiql-query-editor .monaco-editor').click()
    const answered = page.waitForResponse('**/graphql')
    await page.keyboard.press('Control+Enter')
    await answered
    assert.equal(runs, 2, 'and once with the focus in the editor')
    await page.context().close()
  })

  it('shows status, time, size, cost and age of the response in each tab', async () => {
    const page = await visit(gateway.url)
    const bar = page.locator('.status-bar')
    const answered = page.waitForResponse((response) => response.url().endsWith('/graphql') && response.request().postDataJSON().operationName === 'NewestCalls')
    await run(page)
    const response = await answered
    const { extensions, ...rest } = await response.json()
    assert.equal(response.request().headers()['x-query-cost'], 'true')
    const size = Buffer.byteLength(JSON.stringify({ ...rest, extensions }))
    await bar.getByText('Status').waitFor()
    const text = (await bar.innerText()).replaceAll('\n', ' ')
    const [, status, time, kilobytes, cost, age] = text.match(/^Status (\d+) Time ([\d,]+) ms Size ([\d.]+) kB Cost ([\d,]+) Age (\d+) s$/) ?? assert.fail(text)
    assert.equal(status, '200')
    assert.ok(Number(time.replaceAll(',', '')) < patience)
    assert.equal(kilobytes, (size / 1000).toFixed(1))
    assert.equal(cost, String(extensions.cost.requested))
    assert.equal(age, response.headers().age)
    assert.doesNotMatch(await page.locator('.graphiql-response').innerText(), /"cost"/)

    await page.getByRole('tab', { name: 'Transcripts' }).click()
    await bar.getByText('Status').waitFor({ state: 'detached' })
    await page.getByRole('tab', { name: 'NewestCalls' }).click()
    await bar.getByText('Status').waitFor()
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
    await screenshot(page, 'explorer-limited')
    await page.context().close()
  })

  it("says that Revox rejects the gateway's key, and that the token is right", async () => {
    const upstream = createServer((_, response) => response.writeHead(401).end()).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const rejected = await startGateway({ REVOX_API_KEY: 'key', REVOX_BASE_URL: `http://127.0.0.1:${upstream.address().port}`, GATEWAY_TOKENS: 'letmein' })
    closing.push(async () => {
      await rejected.stop()
      upstream.close()
    })
    const page = await visit(rejected.url)
    await page.getByRole('textbox', { name: 'Token' }).fill('letmein')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await run(page)
    await page.getByRole('alert').filter({ hasText: "Revox rejects the gateway's own key. The operator of the gateway must replace REVOX_API_KEY; your token is not the cause." }).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    await page.context().close()
  })

  it('keeps the advice on a query when the schema arrives after its response', async () => {
    const context = await browser.newContext()
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    let held
    await page.route('**/graphql', (route) => {
      if (route.request().postDataJSON().operationName === 'IntrospectionQuery') held = route
      else return route.fulfill({ json: { data: null, errors: [{ message: 'By the test.', extensions: { code: 'UPSTREAM_UNAUTHENTICATED' } }] } })
    })
    await page.goto(gateway.url)
    await page.locator('.explorer:not([inert])').waitFor()
    await until('the request for the schema', () => held)
    await run(page)
    const alert = page.getByRole('alert').filter({ hasText: 'must replace REVOX_API_KEY' })
    await alert.waitFor()
    const arrived = page.waitForResponse((response) => response.request() === held.request())
    await held.continue()
    await (await arrived).finished()
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
    await page.getByText('A GraphQL schema provides a root type').waitFor() // The page has the schema.
    assert.equal(await alert.count(), 1)
    await context.close()
  })

  it('reports an unreachable gateway', async () => {
    const gone = await startGateway()
    const page = await visit(gone.url)
    await gone.stop()
    await run(page)
    await page.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor()
    await page.context().close()
  })

  it('sends no request by itself while the gateway cannot be reached', async () => {
    const page = await visit(gateway.url, { clock: true })
    let requests = 0
    await page.route('**/graphql', (route) => {
      requests++
      return route.abort()
    })
    await run(page)
    await page.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor()
    await page.clock.runFor(60_000)
    assert.equal(requests, 1)
    await page.context().close()
  })

  it('forgets a query that was stopped, even if its response comes after that of the next query', async () => {
    const page = await visit(gateway.url)
    const body = (code) => ({ data: null, errors: [{ message: 'By the test.', extensions: { code } }] })
    let held
    await page.route('**/graphql', (route) => (held = route), { times: 1 })
    await run(page)
    await until('the request', () => held)
    await page.getByRole('button', { name: 'Stop query' }).click()
    await page.route('**/graphql', (route) => route.fulfill({ json: body('UPSTREAM_UNAUTHENTICATED') }), { times: 1 })
    await run(page)
    const alert = page.getByRole('alert').filter({ hasText: 'must replace REVOX_API_KEY' })
    await alert.waitFor()
    await held.fulfill({ json: body('OVERLOADED') }).catch(() => {}) // The browser has ended the request.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)))
    await alert.waitFor()
    assert.equal(await page.getByText('The gateway is overloaded').count(), 0)
    assert.match(held.request().failure()?.errorText ?? 'no failure', /ERR_ABORTED/)
    await page.context().close()
  })

  for (const [name, options] of Object.entries(variants)) {
    it(`has no serious accessibility violation of its own: ${name}`, async () => {
      const page = await visit(gateway.url, { ...options, bypassCSP: true })
      await run(page)
      await shows(page, '"nodes"')
      await screenshot(page, `explorer-audited-${name}`)
      assert.deepEqual(await axeOfGraphiQL(page), [])
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is cut off at the side')
      const { y, height } = await page.locator('.status-bar').boundingBox()
      assert.ok(height > 0 && y + height <= page.viewportSize().height, `the status is in view: ${y} + ${height}`)
      await page.context().close()
    })
  }
})
