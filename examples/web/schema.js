// Writes schema.graphql: the schema of the gateway at GATEWAY_URL. The gateway serves it beside /graphql, without a token.
import { writeFileSync } from 'node:fs'

const { GATEWAY_URL = 'http://127.0.0.1:8080/graphql' } = process.env
const url = new URL('schema.graphqls', GATEWAY_URL)

try {
  const response = await fetch(url).catch(() => {
    throw new Error(`There is no gateway at ${GATEWAY_URL}: start it, or set GATEWAY_URL.`)
  })
  const schema = await response.text()
  if (!response.ok || !/^type Query\b/m.test(schema)) {
    throw new Error(`There is no schema at ${url}: GATEWAY_URL must be the whole address, with /graphql.`)
  }
  writeFileSync('schema.graphql', schema)
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
