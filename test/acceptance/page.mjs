import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startGateway } from './gateway.mjs'

const root = fileURLToPath(new URL('../../examples/web', import.meta.url))

/** Builds the example page, as its README says. */
export async function buildPage() {
  await promisify(execFile)('npm', ['run', 'build'], { cwd: root, timeout: 120_000 })
}

/**
 * Starts a gateway, and Vite to serve the built page in front of it.
 *
 * @param {Record<string, string>} settings environment variables of the gateway
 */
export async function servePage(settings) {
  let gateway = await startGateway(settings)
  const address = gateway.url
  process.env.GATEWAY_URL = address // is read by vite.config.ts
  const { preview } = await import('../../examples/web/node_modules/vite/dist/node/index.js')
  const server = await preview({ root, logLevel: 'silent', preview: { host: '127.0.0.1', port: 0 } })
  return {
    url: server.resolvedUrls.local[0],
    query: (text, variables) => gateway.query(text, variables),
    stopGateway: () => gateway.stop(),
    /** Starts it again at the address it had. */
    async startGateway() {
      gateway = await startGateway({ ...settings, GATEWAY_LISTEN: new URL(address).host })
    },
    async stop() {
      await server.close()
      await gateway.stop()
    },
  }
}

/** Walks the list from its newest call, as far as `enough` says, and gives the ids. */
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

/** Keeps every question that a page asks the gateway, with its answer. */
export function listen(page) {
  const asked = []
  page.on('response', (response) => {
    const request = response.request()
    if (!new URL(request.url()).pathname.endsWith('/graphql')) return
    const entry = { ...request.postDataJSON(), answer: null }
    asked.push(entry)
    response.text().then(
      (text) => (entry.answer = text),
      () => {}, // the page was left
    )
  })
  return asked
}

/** The list as the page must have put it together from its answers, in order, duplicates and all. */
export function assemble(asked) {
  const list = []
  for (const { variables, answer } of asked) {
    const calls = answer && JSON.parse(answer).data?.calls
    if (!calls) continue
    const ids = calls.edges.map((edge) => edge.node.id)
    if (variables.before) list.unshift(...ids)
    else list.push(...ids)
  }
  return list
}
