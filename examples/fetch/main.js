// The newest calls, with nothing but `fetch`.
import { request } from './gateway.js'

const newest = 'query Newest($first: Int) { calls(first: $first) { nodes { id status phoneNumber } } }'

try {
  const { calls } = await request(newest, { first: 10 })
  console.table(calls.nodes)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
