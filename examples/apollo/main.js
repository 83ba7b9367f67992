import { automaticQueries, explain, newClient } from './client.js'
import { headers, url } from './gateway.js'
import { openList } from './list.js'

try {
  const list = await openList(newClient(url, { headers }, automaticQueries()), { first: 5 })
  await list.more()
  console.table(list.calls(), ['phoneNumber', 'status'])
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
