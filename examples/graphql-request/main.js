// How long people talked, in all cancelled orders.
import { explain, headers, url } from './gateway.js'
import { pagesOfCalls } from './walk.js'

let [calls, seconds] = [0, 0]
try {
  for await (const page of pagesOfCalls(url, { statuses: ['CANCELLED'], headers })) {
    calls += page.length
    for (const { durationSeconds } of page) seconds += durationSeconds ?? 0
  }
  console.log(`${calls} calls, ${Math.round(seconds / 60)} minutes of talk`)
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
