import { gql } from '@urql/core'
import { explain } from './gateway.js'

export const CALLS = gql`
  query Calls($first: Int!, $after: String, $statuses: [CallOrderStatus!], $filter: CallFilter) {
    calls(first: $first, after: $after, statuses: $statuses, filter: $filter) {
      edges {
        node {
          id
          status
          phoneNumber
          transcript(last: 1) {
            role
            content
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`

/**
 * Opens the list of calls at its first page. In React, `useQuery` gives the same with the `after` of the page wanted
 * last. To start again at the top, as after CURSOR_EXPIRED, make a new client: graphcache would add the old pages.
 */
export async function openList(client, variables) {
  let calls
  const load = async (after) => {
    const { data, error } = await client.query(CALLS, { ...variables, after }).toPromise()
    if (!data?.calls) throw error
    if (error) console.warn(explain(error)) // such as a call that the gateway cannot read
    calls = data.calls // all pages so far
  }
  await load()
  return {
    calls: () => calls.edges.map(({ node }) => node),
    hasMore: () => calls.pageInfo.hasNextPage,
    more: () => load(calls.pageInfo.endCursor),
  }
}
