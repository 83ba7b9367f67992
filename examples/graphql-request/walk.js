import { GraphQLClient, gql } from 'graphql-request'

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

/** Walks all calls, page by page, newest first. */
export async function* pagesOfCalls(url, { first = 100, statuses, headers } = {}) {
  const client = new GraphQLClient(url, { headers })
  for (let after = null; ; ) {
    const { calls } = await client.request(CALLS, { first, after, statuses })
    yield calls.nodes
    if (!calls.pageInfo.hasNextPage) return
    after = calls.pageInfo.endCursor
  }
}
