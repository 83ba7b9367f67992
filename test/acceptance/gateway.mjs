import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { patience } from './limits.mjs'

export const binary = process.env.GATEWAY_BIN
if (!binary) {
  throw new Error('GATEWAY_BIN is not set: it must be the path of a built gateway, such as ../../bin/revox-graphql.')
}

/**
 * Starts the gateway on a free port of the loopback interface: with its demo upstream, unless the settings name another.
 *
 * @param {Record<string, string>} settings environment variables, such as GATEWAY_CACHE_TTL
 * @returns {Promise<{url: string, graphql: string, pid: number, query: typeof query, stop: () => Promise<void>}>} `url`
 *   ends in a slash, and `graphql` is where queries go
 */
export async function startGateway(settings = {}) {
  const others = Object.entries(process.env).filter(([name]) => !/^(GATEWAY|REVOX)_/.test(name))
  const env = { GATEWAY_LISTEN: '127.0.0.1:0', ...Object.fromEntries(others), ...settings }
  const child = spawn(binary, [], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill) // In case the tests end without stop.

  const log = { text: '' }
  child.stderr.setEncoding('utf8').on('data', (chunk) => (log.text += chunk))
  const exited = once(child, 'exit')

  const url = await listening(child, log, settings.REVOX_API_KEY || settings.REVOX_BASE_URL ? /\bupstream="?http/ : /\bupstream="?demo"?/)
  return { url, graphql: new URL('graphql', url).href, pid: child.pid, query: (text, variables) => query(url, text, variables), stop }

  async function stop() {
    child.kill('SIGTERM')
    const [code, signal] = await within(patience, exited, () => `The gateway still runs after SIGTERM.\n${log.text}`)
    process.off('exit', kill)
    assert.equal(code, 0, `The gateway ended with code ${code}, signal ${signal}.\n${log.text}`)
  }
}

/** Waits for the log line with the address, and checks that the gateway uses the expected upstream. */
async function listening(child, log, upstream) {
  const found = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`The gateway ended with code ${code} before it listened.\n${log.text}`)))
    child.stderr.on('data', () => {
      const line = log.text.match(/^.*msg="?listening"?.*$/m)?.[0]
      const url = line?.match(/\burl="?(http:\/\/[^"\s]+)"?(?=\s|$)/)?.[1]
      if (url) resolve({ line, url })
    })
  })
  const { line, url } = await within(patience, found, () => `The gateway has not logged its address.\n${log.text}`)
  assert.match(line, upstream)
  return url.endsWith('/') ? url : `${url}/`
}

/** Runs a query and returns its data; fails on any error in the response. */
async function query(url, text, variables) {
  const response = await fetch(new URL('graphql', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: text, variables }),
    signal: AbortSignal.timeout(patience),
  })
  const { data, errors } = await response.json()
  assert.equal(response.status, 200)
  assert.equal(errors, undefined)
  return data
}

async function within(milliseconds, promise, message) {
  let timer
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message())), milliseconds)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
