import { gql } from '@apollo/client'

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

/** Opens the list of calls at its first page. In React, `useQuery(CALLS, { variables })` gives the same `fetchMore`. */
export async function openList(client, variables) {
  await client.query({ query: CALLS, variables })
  const list = client.watchQuery({ query: CALLS, variables })
  const calls = () => client.readQuery({ query: CALLS, variables }).calls
  return {
    calls: () => calls().edges.map(({ node }) => node),
    hasMore: () => calls().pageInfo.hasNextPage,
    more: () => list.fetchMore({ variables: { after: calls().pageInfo.endCursor } }),
  }
}
