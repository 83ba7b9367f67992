import { gatewayURL } from '../gateway.js'
import { newClient } from './client.js'
import { openList } from './list.js'

const list = await openList(newClient(gatewayURL), { first: 5 })
await list.more()
console.table(list.calls(), ['phoneNumber', 'status'])
