import { gql } from '@apollo/client'
import { explain } from './client.js'

export const CALLS = gql`
  query Calls($first: Int!, $after: String, $statuses: [CallOrderStatus!], $filter: CallFilter) {
    calls(first: $first, after: $after, statuses: $statuses, filter: $filter) {
      edges {
        node {
          id
          status
          phoneNumber
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`

// With the default, `none`, one call that the gateway cannot read would be the failure of a whole page.
const errorPolicy = 'all'

function check({ data, error }) {
  if (!data?.calls) throw error
  if (error) console.warn(explain(error))
}

/** Opens the list of calls at its first page. In React, `useQuery(CALLS, { variables })` gives the same `fetchMore`. */
export async function openList(client, variables) {
  // The cache may have a list whose cursor has expired. A first page from the network replaces it.
  check(await client.query({ query: CALLS, variables, errorPolicy, fetchPolicy: 'network-only' }))
  const list = client.watchQuery({ query: CALLS, variables })
  const calls = () => client.readQuery({ query: CALLS, variables }).calls
  return {
    calls: () => calls().edges.map(({ node }) => node),
    hasMore: () => calls().pageInfo.hasNextPage,
    more: async () => check(await list.fetchMore({ variables: { after: calls().pageInfo.endCursor }, errorPolicy })),
  }
}
