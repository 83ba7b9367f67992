import { useState } from 'react'
import { graphql, usePaginationFragment } from 'react-relay'
import { CallDetail } from './CallDetail'

/** All calls loaded so far. `@connection` appends each further page to them. */
export function CallList({ query, pageSize }) {
  const [error, setError] = useState(null)
  const { data, hasNext, isLoadingNext, loadNext } = usePaginationFragment(
    graphql`
      fragment CallList_query on Query
      @argumentDefinitions(
        count: { type: "Int", defaultValue: 20 }
        cursor: { type: "String" }
        statuses: { type: "[CallOrderStatus!]" }
        filter: { type: "CallFilter" }
      )
      @refetchable(queryName: "CallListPaginationQuery") {
        calls(first: $count, after: $cursor, statuses: $statuses, filter: $filter)
          @connection(key: "CallList_calls", filters: ["statuses", "filter"]) {
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
    `,
    query,
  )
  if (error) throw error // to the error boundary of your page
  return (
    <>
      <ul>
        {data.calls.edges.map(({ node }) => (
          <li key={node.id} data-id={node.id}>
            {node.phoneNumber} {node.status} <CallDetail call={node} />
          </li>
        ))}
      </ul>
      {hasNext && (
        <button className="more" disabled={isLoadingNext} onClick={() => loadNext(pageSize, { onComplete: setError })}>
          More
        </button>
      )}
    </>
  )
}
