// The list: a Relay connection that grows at both ends. `loadNext` pages downwards by `after: endCursor` as the user scrolls,
// and `loadPrevious` pages upwards by `before: startCursor` every few seconds, to the calls that have arrived since. The
// gateway's cursors mark calls, and not offsets, so neither end shows a call twice or leaves one out.
import { useMemo } from 'react'
import { fetchQuery, graphql, useLazyLoadQuery, usePaginationFragment, useRelayEnvironment } from 'react-relay'
import type { CallList_query$key } from './__generated__/CallList_query.graphql'
import type { CallListPageQuery } from './__generated__/CallListPageQuery.graphql'
import type { CallListQuery } from './__generated__/CallListQuery.graphql'
import { ErrorMessage } from './ErrorMessage'
import { Section } from './Section'
import { VirtualList } from './VirtualList'
import { useNewCalls } from './useNewCalls'
import { useNextCalls } from './useNextCalls'
import { useUnfinishedCalls } from './useUnfinishedCalls'
import type { OrderStatus } from './labels'

const pageSize = 50

const firstPage = graphql`
  query CallListQuery($first: Int!, $statuses: [CallOrderStatus!]) {
    ...CallList_query @arguments(first: $first, statuses: $statuses)
  }
`

export function Calls({ statuses }: { statuses: OrderStatus[] }) {
  const environment = useRelayEnvironment()
  const variables = { first: pageSize, statuses }
  return (
    <Section
      placeholder={<Skeleton />}
      fetch={() => fetchQuery<CallListQuery>(environment, firstPage, variables).toPromise()}
    >
      {(fetchKey, reload) => <FirstPage variables={variables} fetchKey={fetchKey} reload={reload} />}
    </Section>
  )
}

interface FirstPageProps {
  variables: CallListQuery['variables']
  fetchKey: number
  reload: () => void
}

function FirstPage({ variables, fetchKey, reload }: FirstPageProps) {
  // A list that was shown before, under another filter, is still right: its cursors lead on from there.
  const query = useLazyLoadQuery<CallListQuery>(firstPage, variables, { fetchKey, fetchPolicy: 'store-or-network' })
  return <CallList query={query} reload={reload} />
}

function CallList({ query, reload }: { query: CallList_query$key; reload: () => void }) {
  const list = usePaginationFragment<CallListPageQuery, CallList_query$key>(
    graphql`
      fragment CallList_query on Query
      @argumentDefinitions(
        first: { type: "Int" }
        after: { type: "String" }
        last: { type: "Int" }
        before: { type: "String" }
        statuses: { type: "[CallOrderStatus!]" }
      )
      @refetchable(queryName: "CallListPageQuery") {
        calls(first: $first, after: $after, last: $last, before: $before, statuses: $statuses)
          @connection(key: "CallList_calls", filters: ["statuses"]) {
          edges {
            node {
              id
              status
              ...CallRow_call
            }
          }
        }
      }
    `,
    query,
  )
  const edges = list.data.calls?.edges
  const calls = useMemo(() => edges?.map((edge) => edge.node) ?? [], [edges])
  const above = useNewCalls(list, calls.length === 0, reload)
  const below = useNextCalls(list, pageSize, reload)
  const watch = useUnfinishedCalls(calls)

  return (
    <>
      {calls.length === 0 && <p className="note">There are no calls. New ones appear by themselves.</p>}
      <VirtualList
        calls={calls}
        complete={!list.hasNext}
        onShow={(first, last) => {
          watch(first, last)
          below.show(last, calls.length)
        }}
      >
        {below.error ? (
          <ErrorMessage error={below.error} retry={below.retry} trying={list.isLoadingNext} />
        ) : (
          calls.length > 0 && <p className="note">{list.hasNext ? 'Loading more …' : 'These are all calls.'}</p>
        )}
      </VirtualList>
      {/* Below the list, so that no row moves. */}
      {above.error && <ErrorMessage error={above.error} retry={above.retry} trying={list.isLoadingPrevious} />}
    </>
  )
}

function Skeleton() {
  return (
    <div className="skeleton" role="status" aria-label="Loading calls">
      {Array.from({ length: 9 }, (_, row) => (
        <div key={row} />
      ))}
    </div>
  )
}
