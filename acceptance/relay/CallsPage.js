import { graphql } from 'react-relay'

graphql`
  query CallsPageQuery($count: Int!, $statuses: [CallOrderStatus!]) {
    ...CallList_query @arguments(count: $count, statuses: $statuses)
  }
`
