import { newestCalls, summary } from './calls.js'

const { GATEWAY_URL: url = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN: token } = process.env

try {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  for (const call of await newestCalls(url, 30, { headers })) console.log(summary(call))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
