// How long people talked, in all cancelled orders.
import { gatewayURL } from '../gateway.js'
import { pagesOfCalls } from './walk.js'

let [calls, seconds] = [0, 0]
for await (const page of pagesOfCalls(gatewayURL, { statuses: ['CANCELLED'] })) {
  calls += page.length
  for (const { durationSeconds } of page) seconds += durationSeconds ?? 0
}
console.log(`${calls} calls, ${Math.round(seconds / 60)} minutes of talk`)
