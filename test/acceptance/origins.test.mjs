// What a page of another site can do to the gateway from within a browser that reaches it, in a real Chromium.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { takeExample } from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { patience, suiteTimeout } from './limits.mjs'

const typename = '{"query":"{ __typename }"}'
const json = { 'content-type': 'application/json' }

/**
 * Each runs in the page. It returns 'read' if the page could read the response, 'sent' if the page cannot know whether
 * the gateway accepted the request, else 'refused'.
 */
const attempts = {
  'GET by fetch': (url) => read(url + '?query={__typename}'),
  'GET by fetch, no-cors': (url) => opaque(url + '?query={__typename}', { mode: 'no-cors' }),
  'GET with a header that needs a preflight': (url) => read(url + '?query={__typename}', { headers: { 'apollo-require-preflight': '1' } }),
  'a picture': (url) => element('img', url + '?query={__typename}'),
  'a script': (url) => element('script', url + '?query={__typename}'),
  'a form, GET': (url) => form(url, 'GET', 'application/x-www-form-urlencoded', { query: '{__typename}' }),
  'a form, POST': (url) => form(url, 'POST', 'application/x-www-form-urlencoded', { query: '{__typename}' }),
  'a form, POST as text/plain': (url) => form(url, 'POST', 'text/plain', { '{"query":"{ __typename }", "a': '": 1}' }),
  'POST as text/plain by fetch, no-cors': (url) => opaque(url, { method: 'POST', mode: 'no-cors', body: typename }),
  'POST as JSON by fetch': (url) => read(url, { method: 'POST', headers: json, body: typename }),
  'POST as JSON with a token': (url) => read(url, { method: 'POST', headers: { ...json, authorization: 'Bearer guess' }, body: typename }),
  'POST as JSON by a sandboxed frame': (url) => sandboxed(url),
  'a WebSocket': (url) => socket(url),
  'a frame of the explorer': (url) => framed(url.replace('graphql', '')),
}

/**
 * The results for a page that GATEWAY_CORS_ORIGINS does not list, and for one that it lists, each with the number of
 * executed operations.
 */
const expected = {
  'GET by fetch': ['refused 0', 'read 1'],
  'GET by fetch, no-cors': ['sent 0', 'sent 0'],
  'GET with a header that needs a preflight': ['refused 0', 'read 1'],
  'a picture': ['refused 0', 'refused 0'],
  'a script': ['refused 0', 'refused 0'],
  'a form, GET': ['sent 0', 'sent 0'],
  'a form, POST': ['sent 0', 'sent 0'],
  'a form, POST as text/plain': ['sent 0', 'sent 0'],
  'POST as text/plain by fetch, no-cors': ['sent 0', 'sent 0'],
  'POST as JSON by fetch': ['refused 0', 'read 1'],
  'POST as JSON with a token': ['refused 0', 'read 1'],
  'POST as JSON by a sandboxed frame': ['refused 0', 'refused 0'],
  'a WebSocket': ['refused 0', 'refused 0'],
  'a frame of the explorer': ['refused 0', 'refused 0'],
}

/** The functions of the attempts, as a script of the foreign page. */
const library = `
const typename = ${JSON.stringify(typename)}, json = ${JSON.stringify(json)}
const read = (url, init) => fetch(url, init).then((r) => r.json()).then((a) => (a.data ? 'read' : 'refused'), () => 'refused')
const opaque = (url, init) => fetch(url, init).then(() => 'sent', () => 'refused')
const settled = (target) => new Promise((done) => { target.onload = () => done('sent'); target.onerror = () => done('refused') })
function element(name, url) {
  const made = document.createElement(name), done = settled(made)
  made.src = url
  document.body.append(made)
  return done
}
function form(url, method, enctype, fields) {
  const frame = document.createElement('iframe')
  frame.name = 'target' + Math.random()
  document.body.append(frame)
  const made = Object.assign(document.createElement('form'), { action: url, method, enctype, target: frame.name })
  for (const [name, value] of Object.entries(fields)) made.append(Object.assign(document.createElement('input'), { name, value }))
  document.body.append(made)
  const done = settled(frame)
  made.submit()
  return done
}
function sandboxed(url) {
  const frame = document.createElement('iframe')
  frame.sandbox = 'allow-scripts'
  frame.srcdoc = '<script>fetch(' + JSON.stringify(url) + ', ' + JSON.stringify({ method: 'POST', headers: json, body: typename }) +
    ').then((r) => r.text()).then(() => "read", () => "refused").then((what) => parent.postMessage(what, "*"))<' + '/script>'
  const done = new Promise((tell) => addEventListener('message', (event) => tell(event.data), { once: true }))
  document.body.append(frame)
  return done
}
const socket = (url) => new Promise((done) => {
  const made = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws')
  made.onopen = () => done('read')
  made.onerror = () => done('refused')
})
async function framed(url) {
  const frame = document.createElement('iframe'), done = settled(frame)
  frame.src = url
  document.body.append(frame)
  await done
  return 'framed'
}`

/** Apollo Client in a page that sends its name and version, and reads the headers that a support case needs. */
async function apolloPage() {
  const example = await takeExample('apollo')
  const script = `
    import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client'
    window.ask = (uri, headers) => {
      const seen = {}
      const recorded = async (...args) => {
        const response = await fetch(...args)
        for (const name of ['age', 'etag', 'retry-after', 'x-request-id', 'x-revox-upstream']) seen[name] = response.headers.get(name)
        return response
      }
      const link = new HttpLink({ uri, fetch: recorded, headers })
      const client = new ApolloClient({ link, cache: new InMemoryCache(), clientAwareness: { name: 'web', version: '1.2.3' } })
      return client.query({ query: gql('query Newest { calls(first: 1) { nodes { id } } }') }).then(({ data }) => ({ calls: data.calls.nodes.length, seen }))
    }`
  try {
    const stdin = { contents: script, resolveDir: example.folder }
    const { outputFiles } = await build({ stdin, bundle: true, write: false, logLevel: 'error' })
    return outputFiles[0].text
  } finally {
    await example.remove()
  }
}

describe('Pages of another site', { timeout: suiteTimeout }, () => {
  let browser, context, page, origin, server
  before(async () => {
    const scripts = { '/': library, '/apollo': await apolloPage() }
    server = createServer(({ url }, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><body><script>${scripts[url] ?? ''}</script>`))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://foreign.test:${server.address().port}`
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      // Both names resolve to this machine, as with an attacker's name server. Local network access checks would prompt a person.
      args: ['--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP *.test 127.0.0.1', '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests'],
    })
    context = await browser.newContext()
    page = await context.newPage()
  })
  after(async () => {
    await browser?.close()
    server?.close()
  })

  /** Starts a gateway for one test, since operations of another test may end late. */
  async function start(t, settings) {
    const gateway = await startGateway(settings)
    t.after(async () => {
      await page.goto('about:blank') // closes connections that would delay the stop
      await gateway.stop()
    })
    return gateway
  }

  /** Waits until a gateway has counted so many operations, which it does after each response; returns the number. */
  async function executed(gateway, least) {
    for (const end = Date.now() + patience; ; await delay(20)) {
      const count = await countOperations(gateway)
      if (count >= least || Date.now() > end) return count
    }
  }

  async function countOperations(gateway) {
    const metrics = await (await fetch(new URL('metrics', gateway.url))).text()
    return [...metrics.matchAll(/^revox_graphql_operations_total\{.*\} (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0)
  }

  for (const [i, kind] of ['not listed', 'listed'].entries()) {
    it(`can do no more than they may, ${kind}`, async (t) => {
      const gateway = await start(t, i ? { GATEWAY_CORS_ORIGINS: origin } : {})
      const table = []
      let before = 0
      for (const [name, attempt] of Object.entries(attempts)) {
        await page.goto(origin)
        let what = await page.evaluate(`(${attempt})(${JSON.stringify(gateway.graphql)})`)
        // A forbidden frame has loaded an error page of the browser.
        if (what === 'framed') what = page.frames().some((frame) => frame.url() === gateway.url) ? 'read' : 'refused'
        const after = await executed(gateway, before + (what === 'read' ? 1 : 0))
        table.push(`${name}: ${what} ${after - before}`)
        before = after
      }
      // This finds operations that were counted after their row of the table.
      await gateway.query('{ __typename }')
      assert.equal(await executed(gateway, before + 1), before + 1)
      t.diagnostic('\n' + table.join('\n'))
      assert.deepEqual(table, Object.entries(expected).map(([name, results]) => `${name}: ${results[i]}`))
    })
  }

  it('can send the headers of Apollo Client and of traces, if listed, and read those of the response', async (t) => {
    const [strict, open] = [await start(t), await start(t, { GATEWAY_CORS_ORIGINS: origin })]
    const sent = []
    page.on('request', (request) => request.url() === open.graphql && sent.push(request))
    const traced = {
      'x-query-cost': 'true',
      'x-request-id': 'asked-by-a-page',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      baggage: 'user=1',
    }
    await page.goto(`${origin}/apollo`)
    const ask = (gateway) => page.evaluate(([url, headers]) => window.ask(url, headers), [gateway.graphql, traced])
    const { calls, seen } = await ask(open)
    assert.equal(calls, 1)
    const headers = await sent.find((request) => request.method() === 'POST').allHeaders()
    assert.equal(headers['apollographql-client-name'], 'web')
    assert.equal(headers['apollographql-client-version'], '1.2.3')
    assert.equal(seen['x-request-id'], traced['x-request-id'])
    assert.equal(seen['x-revox-upstream'], 'demo')
    await assert.rejects(ask(strict), /Failed to fetch/)
  })

  it('read nothing by pointing their own name at the gateway', async (t) => {
    const gateway = await start(t)
    const response = await page.goto(`http://rebound.test:${new URL(gateway.url).port}/graphql?query={__typename}`)
    assert.equal(response.status(), 421)
    assert.match(await response.text(), /BAD_USER_INPUT/)
  })

  it('cannot read the explorer that they open', async (t) => {
    const gateway = await start(t)
    await page.goto(origin)
    const [opened] = await Promise.all([context.waitForEvent('page'), page.evaluate((url) => { window.opened = open(url) }, gateway.url)])
    await opened.waitForLoadState()
    assert.equal(await page.evaluate(() => { try { return String(opened.document) } catch (error) { return error.name } }), 'SecurityError')
    await opened.close()
  })

  it('of this origin can do everything', async (t) => {
    const gateway = await start(t)
    await page.goto(new URL('healthz', gateway.url).href)
    assert.equal(await page.evaluate(() => fetch('/graphql?query={__typename}').then((r) => r.json()).then((a) => a.data.__typename)), 'Query')
    assert.equal(await executed(gateway, 1), 1)
  })
})
