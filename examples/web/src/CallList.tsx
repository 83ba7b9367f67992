// The list: a Relay connection that grows at both ends. `loadNext` walks down by `after: endCursor` as the reader scrolls,
// and `loadPrevious` walks up by `before: startCursor` every few seconds, to what has arrived since. The gateway's cursors
// hold on to calls, not to offsets, so neither end shows a call twice or leaves one out.
import { useMemo } from 'react'
import { graphql, useLazyLoadQuery, usePaginationFragment } from 'react-relay'
import type { CallList_query$key } from './__generated__/CallList_query.graphql'
import type { CallListPageQuery } from './__generated__/CallListPageQuery.graphql'
import type { CallListQuery } from './__generated__/CallListQuery.graphql'
import { Section } from './Section'
import { Trouble } from './Trouble'
import { VirtualList } from './VirtualList'
import { useNewCalls } from './useNewCalls'
import { useNextCalls } from './useNextCalls'
import { useUnfinishedCalls } from './useUnfinishedCalls'
import type { OrderStatus } from './words'

const pageSize = 50

export function Calls({ statuses }: { statuses: OrderStatus[] }) {
  return (
    <Section loading={<Skeleton />}>
      {(attempt, again) => <FirstPage statuses={statuses} attempt={attempt} startAnew={again} />}
    </Section>
  )
}

interface FirstPageProps {
  statuses: OrderStatus[]
  attempt: number
  startAnew: () => void
}

function FirstPage({ statuses, attempt, startAnew }: FirstPageProps) {
  const query = useLazyLoadQuery<CallListQuery>(
    graphql`
      query CallListQuery($first: Int!, $statuses: [CallOrderStatus!]) {
        ...CallList_query @arguments(first: $first, statuses: $statuses)
      }
    `,
    { first: pageSize, statuses },
    // A list that was shown a moment ago, under another filter and back, is still right: its cursors lead on from there.
    { fetchKey: attempt, fetchPolicy: attempt === 0 ? 'store-or-network' : 'network-only' },
  )
  return <CallList query={query} startAnew={startAnew} />
}

function CallList({ query, startAnew }: { query: CallList_query$key; startAnew: () => void }) {
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
  const above = useNewCalls(list, calls.length === 0, startAnew)
  const below = useNextCalls(list, pageSize, startAnew)
  const watch = useUnfinishedCalls(calls)

  return (
    <>
      {calls.length === 0 && <p className="note">No call is here yet. New ones show up by themselves.</p>}
      <VirtualList
        calls={calls}
        complete={!list.hasNext}
        onShow={(from, to) => {
          watch(from, to)
          below.shown(to, calls.length)
        }}
      >
        {below.trouble ? (
          <Trouble error={below.trouble} retry={below.retry} trying={list.isLoadingNext} />
        ) : (
          calls.length > 0 && <p className="note">{list.hasNext ? 'Loading more …' : 'These are all.'}</p>
        )}
      </VirtualList>
      {/* Below the list, so that no row moves. */}
      {above.trouble && <Trouble error={above.trouble} retry={above.retry} trying={list.isLoadingPrevious} />}
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
