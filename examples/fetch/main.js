import { gatewayURL } from '../gateway.js'
import { newestCalls } from './newest.js'

console.table(await newestCalls(gatewayURL, 10))
