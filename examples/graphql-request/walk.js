import { ClientError, GraphQLClient, gql } from 'graphql-request'

const CALLS = gql`
  query Calls($first: Int!, $after: String, $statuses: [CallOrderStatus!]) {
    calls(first: $first, after: $after, statuses: $statuses) {
      nodes {
        id
        status
        startedAt
        durationSeconds
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`

/** Walks all calls, page by page, newest first. A call that the gateway cannot read is reported, and left out. */
export async function* pagesOfCalls(url, { first = 100, statuses, headers } = {}) {
  const client = new GraphQLClient(url, { headers, errorPolicy: 'all' })
  for (let after = null; ; ) {
    const response = await client.rawRequest(CALLS, { first, after, statuses })
    const { calls } = response.data ?? {}
    if (!calls) throw new ClientError(response, { query: CALLS })
    for (const { message, extensions } of response.errors ?? []) console.warn(`${message} (${extensions.code})`)
    yield calls.nodes
    if (!calls.pageInfo.hasNextPage) return
    after = calls.pageInfo.endCursor
  }
}
