import { durations, newestCalls, summary } from './calls.js'

const { GATEWAY_URL: url = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN: token } = process.env

try {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  for (const call of await newestCalls(url, 30, { headers })) console.log(summary(call))
  let [count, seconds] = [0, 0]
  for await (const duration of durations(url, { result: ['HUMAN'], durationSeconds: { min: 240 } }, { headers })) {
    count++
    seconds += duration
  }
  console.log(`${count} long talks, ${Math.round(seconds / 60)} minutes`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
