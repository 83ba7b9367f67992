import { Suspense } from 'react'
import { graphql, RelayEnvironmentProvider, useLazyLoadQuery } from 'react-relay'
import { CallList } from './CallList'

/** A page of calls: the newest `count`, and a button for more. */
export function CallsPage({ environment, count, statuses, filter }) {
  return (
    <RelayEnvironmentProvider environment={environment}>
      <Suspense fallback={<p>Loading …</p>}>
        <Calls count={count} statuses={statuses} filter={filter} />
      </Suspense>
    </RelayEnvironmentProvider>
  )
}

function Calls(variables) {
  const query = useLazyLoadQuery(
    graphql`
      query CallsPageQuery($count: Int!, $statuses: [CallOrderStatus!], $filter: CallFilter) {
        ...CallList_query @arguments(count: $count, statuses: $statuses, filter: $filter)
      }
    `,
    variables,
  )
  return <CallList query={query} pageSize={variables.count} />
}
