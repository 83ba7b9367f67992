// GraphiQL as the binary serves it, in a real browser that can reach nothing but the gateway.
import assert from 'node:assert/strict'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { chromium } from 'playwright-core'
import { executablePath, screenshot, until } from './browser.mjs'
import { startGateway } from './gateway.mjs'
import { patience, suiteTimeout } from './limits.mjs'

/** The examples by the name of their query, with their titles in the menu. */
const examples = {
  NewestCalls: 'Newest calls',
  Transcripts: 'Transcripts',
  Answered: 'Calls answered last week',
  Outcomes: 'Outcomes',
  WhoSaid: 'Calls in which a word was said',
  AnswerRate: 'Answer rate by day',
  Totals: 'Two totals in one request',
  FailedCalls: 'Orders given up',
  Walk: 'Walk the whole list',
}

describe('GraphiQL', { timeout: suiteTimeout }, () => {
  let gateway, profile, context, page
  const foreign = [] // requests to other hosts
  const complaints = [] // errors of the page, its workers and its policy

  before(async () => {
    await access(executablePath).catch(() => assert.fail(`There is no Chromium at ${executablePath}. Set CHROMIUM to its path.`))
    gateway = await startGateway()
    profile = await mkdtemp(join(tmpdir(), 'revox-graphql-chromium-'))
    context = await chromium.launchPersistentContext(profile, {
      executablePath,
      headless: true,
      viewport: { width: 1280, height: 800 },
      colorScheme: 'light',
      permissions: ['clipboard-read', 'clipboard-write'],
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
    context.setDefaultTimeout(patience)
    await watch(context)
    page = context.pages()[0]
    await page.goto(gateway.url)
  })
  after(async () => {
    await context?.close()
    await gateway?.stop()
    if (profile) await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  })

  /** Records and aborts requests to other hosts, and records all errors. */
  async function watch(context) {
    const { host } = new URL(gateway.url)
    await context.route('**/*', (route, request) => {
      if (new URL(request.url()).host === host) return route.continue()
      foreign.push(request.url())
      return route.abort()
    })
    await context.exposeFunction('reportViolation', (violation) => complaints.push(violation))
    await context.addInitScript(() =>
      document.addEventListener('securitypolicyviolation', (event) =>
        window.reportViolation(`${event.violatedDirective} forbids ${event.blockedURI}`),
      ),
    )
    context.on('weberror', (error) => complaints.push(String(error.error())))
    context.on('requestfailed', (request) => {
      // Leaving a page aborts the load of a worker. A violation of the policy has another error.
      if (request.failure().errorText === 'net::ERR_ABORTED' && request.url().startsWith(gateway.url)) return
      complaints.push(`${request.url()} ${request.failure().errorText}`)
    })
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
  }

  it('has our title and icon', async () => {
    assert.equal(await page.title(), 'Revox GraphQL')
    const icon = await page.locator('link[rel=icon]').evaluate((link) => link.href)
    assert.equal((await context.request.get(icon)).headers()['content-type'], 'image/svg+xml')
  })

  it('loads the schema', async () => {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
    await page.locator('.graphiql-doc-explorer').getByRole('link', { name: 'Query', exact: true }).click()
    await page.locator('.graphiql-doc-explorer').getByRole('link', { name: 'calls', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click()
  })

  it('says that the data is invented', async () => {
    const status = page.getByRole('status').filter({ hasText: 'Demo data' })
    await status.waitFor()
    assert.match(await status.innerText(), /^Demo data: made-up calls that keep arriving\. Set REVOX_API_KEY to see your own\.$/)
  })

  it('has three tabs at first, which fit in its tab bar', async () => {
    const tabs = page.getByRole('tab')
    assert.deepEqual(await tabs.allInnerTexts(), ['NewestCalls', 'Transcripts', 'Answered'])
    const bar = page.getByRole('tablist')
    assert.ok(await bar.evaluate((bar) => bar.scrollWidth <= bar.clientWidth))
  })

  it('opens an example in a new tab, or the tab that has it', async () => {
    for (const [name, title] of Object.entries(examples)) await openExample(name, title)
    const names = await page.getByRole('tab').allInnerTexts()
    assert.deepEqual(names.toSorted(), Object.keys(examples).toSorted())
    await openExample('WhoSaid', examples.WhoSaid)
    assert.deepEqual(await page.getByRole('tab').allInnerTexts(), names)
  })

  for (const name of ['Outcomes', 'NewestCalls', 'Transcripts', 'FailedCalls', 'Walk']) {
    it(`runs the example ${name}`, async () => {
      await openTab(name)
      const { request, answer } = await run()
      assert.equal(answer.errors, undefined)
      const { calls } = answer.data
      const rows = calls.nodes ?? calls.edges.map((edge) => edge.node)
      assert.ok(rows.length > 0, 'an example has something to show')
      await shown(rows[0].id)

      if (name === 'Outcomes') assert.ok(rows.some((row) => row.structuredOutput?.nps ?? row.structuredOutput?.outcome))
      if (name === 'Transcripts') assert.ok(rows.some((row) => row.transcript?.length > 0))
      if (name === 'Walk') assert.deepEqual(request.variables, { first: 10, after: null })
    })
  }

  it('runs the example Totals', async () => {
    await openTab('Totals')
    const { answer } = await run()
    assert.equal(answer.errors, undefined)
    assert.ok(answer.data.all.totalCount > answer.data.failed.totalCount && answer.data.failed.totalCount > 0)
    await shown(String(answer.data.failed.totalCount))
  })

  it('runs the example Answered', async () => {
    await openTab('Answered')
    const { request, answer } = await run()
    assert.equal(answer.errors, undefined)
    const { nodes } = answer.data.calls
    assert.equal(nodes.length, 10)
    assert.ok(nodes.every(({ startedAt }) => startedAt >= request.variables.from))
    const days = (Date.now() - Date.parse(request.variables.from)) / 86_400_000
    assert.ok(days >= 7 && days < 8.1, `the example begins ${days} days ago`)
    await shown(nodes[0].id)
  })

  it('runs the example WhoSaid', async () => {
    await openTab('WhoSaid')
    const { request, answer } = await run()
    assert.equal(answer.errors, undefined)
    const { nodes } = answer.data.calls
    assert.equal(nodes.length, 5)
    const said = ({ role, content }) => role === 'USER' && content.toLowerCase().includes(request.variables.text)
    assert.ok(nodes.every(({ transcript }) => transcript.some(said)))
    await shown(nodes[0].id)
  })

  it('runs the example AnswerRate', async () => {
    await openTab('AnswerRate')
    const { answer } = await run()
    assert.equal(answer.errors, undefined)
    const { groups, scan } = answer.data.callStats
    assert.equal(scan.complete, true, 'the demo has so few calls in these days that all are counted')
    assert.ok(new Set(groups.map(({ from }) => from)).size >= 2, 'several days')
    assert.ok(groups.some(({ answered }) => answered > 0))
    assert.ok(groups.some(({ answered }) => answered === 0), 'calls that nobody answered')
    await shown(groups[0].from)
  })

  it('continues a walk from a cursor in the variables', async () => {
    await openTab('Walk')
    const first = await run()
    await paste('Variables', JSON.stringify({ first: 10, after: first.answer.data.calls.pageInfo.endCursor }))
    const second = await run()
    const ids = [first, second].flatMap(({ answer }) => answer.data.calls.edges.map((edge) => edge.node.id))
    assert.equal(ids.length, 20)
    assert.equal(new Set(ids).size, 20)
  })

  it('sends headers', async () => {
    await page.getByRole('button', { name: 'Headers' }).click()
    await paste('Headers', JSON.stringify({ 'x-secret': 'do-not-store' }))
    const { headers } = await run()
    assert.equal(headers['x-secret'], 'do-not-store')
  })

  it('keeps a history of queries, but not of their headers', async () => {
    await page.getByRole('button', { name: 'Variables' }).click()
    await paste('Variables', JSON.stringify({ first: 7 }))
    // These variables were typed after the headers, so GraphiQL has the headers by now.
    await until('the variables to be stored', () => page.evaluate(() => localStorage.getItem('graphiql:variables')?.includes('7')))
    const { headers } = await run()
    assert.equal(headers['x-secret'], 'do-not-store')
    const history = () => page.evaluate(() => localStorage.getItem('graphiql:queries'))
    // GraphiQL stores a query when it runs, with the variables that it knows then: on a busy machine, without these.
    await until('the query in the history', async () => (await run()) && (await history())?.includes('{\\"first\\":7}'))
    assert.doesNotMatch(await history(), /do-not-store/)
  })

  it('completes a field of the schema', async () => {
    await page.getByRole('button', { name: 'New tab' }).click()
    await page.locator('.graphiql-query-editor .monaco-editor').click()
    await page.keyboard.type('query Completion { calls { nodes { ringing')
    const suggestion = page.locator('.suggest-widget.visible .monaco-list-row', { hasText: 'ringingSeconds' })
    await until('the suggestion', async () => {
      if (await suggestion.isVisible()) return true
      await page.keyboard.press('Control+Space')
    })
    await suggestion.click()
    await page.locator('.graphiql-query-editor .view-lines', { hasText: 'ringingSeconds' }).waitFor()
  })

  it('keeps the tabs of the last visit, but not their headers', async () => {
    // GraphiQL writes the tabs a moment after the query.
    const tabs = () => page.evaluate(() => localStorage.getItem('graphiql:tabState'))
    await until('the new tab to be stored', async () => (await tabs()).includes('ringingSeconds'))
    await page.reload()
    await page.getByRole('tab', { name: 'Completion' }).waitFor()
    const names = await page.getByRole('tab').allInnerTexts()
    assert.deepEqual(names.toSorted(), [...Object.keys(examples), 'Completion'].toSorted())
    assert.doesNotMatch(await page.evaluate(() => JSON.stringify(localStorage)), /do-not-store/)
  })

  it('builds a query by clicking', async () => {
    await openTab('NewestCalls')
    await page.getByRole('button', { name: 'Show Query Builder' }).click()
    await page.locator('.graphiql-explorer-root').getByText('ringingSeconds', { exact: true }).click()
    await page.locator('.graphiql-query-editor .view-lines', { hasText: 'ringingSeconds' }).waitFor()
    const { answer } = await run()
    assert.ok('ringingSeconds' in answer.data.calls.nodes[0])
    await page.getByRole('button', { name: 'Hide Query Builder' }).click()
  })

  it('follows the light and dark theme of the system', async () => {
    await openTab('NewestCalls')
    const { answer } = await run()
    await shown(answer.data.calls.nodes[0].id)
    const lightness = {}
    for (const [colorScheme, editorTheme] of Object.entries({ light: 'vs', dark: 'vs-dark' })) {
      await page.emulateMedia({ colorScheme })
      await page.locator(`.graphiql-query-editor .monaco-editor.${editorTheme}`).waitFor()
      lightness[colorScheme] = await page.locator('.graphiql-container').evaluate((container) => {
        const [red, green, blue] = getComputedStyle(container).backgroundColor.match(/\d+/g).map(Number)
        return red + green + blue
      })
      await screenshot(page, `explorer-${colorScheme}`)
    }
    assert.ok(lightness.light > 600 && lightness.dark < 200, JSON.stringify(lightness))
  })

  it('sent no request to another host and violated no policy', () => {
    assert.deepEqual(foreign, [])
    assert.deepEqual(complaints, [])
  })

  async function openTab(name) {
    await page.getByRole('tab', { name }).click()
    await read(name)
  }

  async function openExample(name, title) {
    await page.getByRole('button', { name: 'Examples' }).click()
    await page.getByRole('menuitem', { name: title, exact: true }).click()
    await read(name)
  }

  /** Waits until GraphiQL has read the query of the open tab: before that, it runs that of the previous tab. */
  const read = (name) =>
    until(`GraphiQL to read ${name}`, () =>
      page.evaluate((name) => localStorage.getItem('graphiql:query')?.includes(`query ${name}`), name),
    )

  /** Runs the query of the open tab. */
  async function run() {
    const answered = page.waitForResponse((response) => response.url() === new URL('graphql', gateway.url).href)
    await page.getByRole('button', { name: 'Execute query' }).click()
    const response = await answered
    const request = response.request()
    return { request: request.postDataJSON(), headers: await request.allHeaders(), answer: await response.json() }
  }

  /** Waits until the response pane shows a text. */
  const shown = (text) => page.locator('.graphiql-response .view-lines').filter({ hasText: text }).waitFor()

  /** Replaces the content of the variables or header editor by pasting: typing would add closing brackets. */
  async function paste(name, text) {
    const editor = page.getByRole('region', { name }).locator('.graphiql-editor:not(.hidden)')
    await editor.locator('.monaco-editor').click()
    await page.evaluate((text) => navigator.clipboard.writeText(text), text)
    await page.keyboard.press('Control+A')
    await page.keyboard.press('Control+V')
  }
})
