import { gatewayURL } from '../gateway.js'
import { automaticQueries, explain, newClient } from './client.js'
import { openList } from './list.js'

try {
  const list = await openList(newClient(gatewayURL, automaticQueries()), { first: 5 })
  await list.more()
  console.table(list.calls(), ['phoneNumber', 'status'])
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
