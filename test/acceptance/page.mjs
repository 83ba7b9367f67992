// The suites of the example page: a browser, a gateway with the built page in front of it, and what their tests share.
import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launch, until } from './browser.mjs'
import { startGateway } from './gateway.mjs'
import { patience, suiteTimeout } from './limits.mjs'
import { startProgram } from './program.mjs'

const root = fileURLToPath(new URL('../../examples/web', import.meta.url))

/**
 * Defines a suite of tests of the example page, which must have been built.
 *
 * @param {string} name @param {(tools: {serve: typeof servePage, visit: Function}) => void} define defines the tests.
 * `serve` starts a gateway with the page in front of it, until the end of the suite. `visit` opens the page in a
 * browser context of its own, whose `clock` can be moved on, and returns the requests that the page sends to the
 * gateway. `respond` is the response to all requests.
 */
export function describePage(name, define) {
  describe(name, { timeout: suiteTimeout }, () => {
    let browser
    const open = []

    before(async () => {
      await access(join(root, 'dist/index.html')).catch(() => assert.fail('The page is not built. Run npm run build in examples/web.'))
      browser = await launch()
    })
    after(async () => {
      await browser?.close()
      for (const site of open) await site.stop()
    })

    async function serve(settings = {}, options = {}) {
      const site = await servePage(settings, options)
      open.push(site)
      return site
    }

    async function visit(site, path = '', { clock = false, respond, ...options } = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options })
      context.setDefaultTimeout(patience)
      const page = await context.newPage()
      if (clock) await page.clock.install()
      if (respond !== undefined) {
        // If `respond` is null, no response comes.
        await page.route('**/graphql', (route) => respond && route.fulfill({ contentType: 'application/graphql-response+json', json: respond }))
      }
      const faults = []
      page.on('pageerror', (error) => faults.push(String(error)))
      const requests = listen(page)
      await page.goto(site.url + path)
      return { context, page, requests, faults }
    }

    define({ serve, visit })
  })
}

export const rows = (page) => page.getByRole('list', { name: 'Calls, newest first' }).getByRole('link')
export const transcript = (page) => page.getByRole('list', { name: 'Transcript' })
export const failure = (page, title) => page.getByRole('alert').filter({ hasText: title })

/** Enters a token in the dialog that asks for it. */
export async function enter(page, token) {
  await page.getByRole('textbox', { name: 'Token' }).fill(token)
  await page.getByRole('button', { name: 'Continue' }).click()
}

/** Returns the name of a request's operation. */
export const operation = ({ query }) => query.match(/^query (\w+)/)?.[1] ?? 'tryToken'
export const transcriptRequests = (requests) => requests.filter(({ query }) => /\btranscript\b/.test(query))

/** The IDs of the rows that are in the page now, in their order. */
export const shown = (page) =>
  page
    .locator('.scroller li')
    .evaluateAll((items) => items.sort((a, b) => a.ariaPosInSet - b.ariaPosInSet).map((item) => item.querySelector('a').dataset.call))

/** Returns the row of an ended call with a conversation, scrolled into view if necessary. */
export async function firstConversation(page) {
  const ended = rows(page).filter({ hasText: 'A person answered' }).filter({ hasText: 'Ended' })
  await scrollTo(page, ended)
  return rowOf(page, await ended.first().getAttribute('data-call'))
}

/** Returns the row of a call, scrolled into view if necessary. */
export async function rowOf(page, id) {
  const row = page.locator(`[data-call="${id}"]`)
  await scrollTo(page, row)
  return row
}

async function scrollTo(page, row) {
  await page.locator('.scroller').hover()
  await until('the row', async () => {
    if ((await row.count()) > 0) return true
    await page.mouse.wheel(0, 300)
  })
}

/**
 * Starts a gateway, and Vite in front of it: with the built page, or with its development server.
 *
 * @param {Record<string, string>} settings environment variables of the gateway
 * @param {{development?: boolean, token?: string, folder?: string}} options `token` is the GATEWAY_TOKEN of Vite, and
 *   `folder` another folder than that in the repository
 */
async function servePage(settings, { development = false, token = '', folder = root } = {}) {
  let gateway = await startGateway(settings)
  const address = gateway.url
  const env = { ...process.env, GATEWAY_URL: gateway.graphql, GATEWAY_TOKEN: token }
  const script = development ? ['start'] : ['run', 'preview']
  const server = startProgram('npm', [...script, '--', '--host', '127.0.0.1', '--port', '0'], { cwd: folder, env })
  return {
    url: await server.printed(/http:\/\/127\.0\.0\.1:\d+\//),
    printed: server.printed,
    query: (text, variables) => gateway.query(text, variables),
    stopGateway: () => gateway.stop(),
    /** Starts the gateway again, at the same address. */
    async startGateway() {
      gateway = await startGateway({ ...settings, GATEWAY_LISTEN: new URL(address).host })
    },
    async stop() {
      await server.stop()
      await gateway.stop()
    },
  }
}

/** Walks the list from its newest call until `enough` accepts the IDs, and returns them. */
export async function walk(page, enough) {
  const ids = []
  let after = null
  while (!enough(ids)) {
    const { calls } = await page.query(
      'query ($after: String) { calls(first: 100, after: $after) { nodes { id } pageInfo { endCursor } } }',
      { after },
    )
    ids.push(...calls.nodes.map((call) => call.id))
    after = calls.pageInfo.endCursor
  }
  return ids
}

/** Records every request of a page to the gateway, with its response. `open` is the number of requests without one. */
function listen(page) {
  const requests = Object.assign([], { open: 0 })
  const entries = new Map()
  page.on('request', (request) => {
    if (!new URL(request.url()).pathname.endsWith('/graphql')) return
    const entry = { ...request.postDataJSON(), response: null }
    entries.set(request, entry)
    requests.push(entry)
    requests.open++
  })
  const close = (request) => {
    if (entries.has(request)) requests.open--
  }
  page.on('requestfinished', close)
  page.on('requestfailed', close)
  page.on('response', (response) => {
    const entry = entries.get(response.request())
    if (!entry) return
    response.text().then(
      (text) => (entry.response = text),
      () => {}, // the page was left
    )
  })
  return requests
}

/** The list as the page must have put it together from its responses, in order, with duplicates. */
export function assemble(requests) {
  const list = []
  for (const { variables, response } of requests) {
    const calls = response && JSON.parse(response).data?.calls
    if (!calls) continue
    const ids = calls.edges.map((edge) => edge.node.id)
    if (variables.before) list.unshift(...ids)
    else list.push(...ids)
  }
  return list
}
