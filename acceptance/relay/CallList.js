import { graphql } from 'react-relay'

graphql`
  fragment CallList_query on Query
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 10 }
    cursor: { type: "String" }
    statuses: { type: "[CallOrderStatus!]" }
  )
  @refetchable(queryName: "CallListPaginationQuery") {
    calls(first: $count, after: $cursor, statuses: $statuses) @connection(key: "CallList_calls") {
      edges {
        node {
          id
          status
          phoneNumber
          ...CallDetail_call
        }
      }
    }
  }
`
