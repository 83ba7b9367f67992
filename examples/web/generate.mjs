// Downloads the gateway's schema and runs relay-compiler, which checks every query in src/ against the schema, and writes
// the types of the queries to src/__generated__.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import relayCompiler from 'relay-compiler'

const { GATEWAY_URL = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN } = process.env

process.chdir(import.meta.dirname)
mkdirSync('src/__generated__', { recursive: true })
try {
  writeFileSync('schema.graphql', await schema())
} catch ({ message }) {
  if (!existsSync('schema.graphql')) fail(message)
  console.warn(`${message} The queries are checked against the schema of an earlier run.`)
}
const { status, stdout, stderr } = spawnSync(relayCompiler, ['--noWatchman', 'relay.config.json'], { encoding: 'utf8' })
if (status !== 0) fail(stdout + stderr)

/** The schema as the gateway serves it, beside /graphql. */
async function schema() {
  const url = new URL('schema.graphqls', GATEWAY_URL)
  const headers = GATEWAY_TOKEN ? { authorization: `Bearer ${GATEWAY_TOKEN}` } : {}
  const response = await fetch(url, { headers }).catch(() => {
    throw new Error(`There is no gateway at ${GATEWAY_URL}: start it, or set GATEWAY_URL.`)
  })
  if (response.status === 401) {
    throw new Error(GATEWAY_TOKEN ? 'The gateway rejects GATEWAY_TOKEN.' : 'The gateway requires a token: set GATEWAY_TOKEN.')
  }
  const text = await response.text()
  if (!response.ok || !/^type Query\b/m.test(text)) {
    throw new Error(`There is no schema at ${url}: GATEWAY_URL must be the whole address, with /graphql.`)
  }
  return text
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
