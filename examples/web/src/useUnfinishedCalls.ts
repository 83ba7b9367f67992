import { useRef } from 'react'
import { fetchQuery, graphql, useRelayEnvironment } from 'react-relay'
import type { useUnfinishedCallsQuery } from './__generated__/useUnfinishedCallsQuery.graphql'
import { isOver } from './labels'
import { usePolling } from './usePolling'

const pause = 5_000

interface Call {
  id: string
  status: string
}

/**
 * Keeps the visible calls that are not over up to date. Relay knows by their ids which rows to draw again, so nothing is
 * done with the response. The returned function takes the first and last visible row.
 */
export function useUnfinishedCalls(calls: readonly Call[]) {
  const environment = useRelayEnvironment()
  const visible = useRef([0, 0])

  usePolling(() => {
    const [first = 0, last = 0] = visible.current
    const ids = calls.slice(first, last + 1).filter((call) => !isOver(call.status)).map((call) => call.id)
    if (ids.length === 0) return
    // A failure makes the polls rarer. useNewCalls reports that the gateway cannot be reached.
    return fetchQuery<useUnfinishedCallsQuery>(
      environment,
      graphql`
        query useUnfinishedCallsQuery($ids: [ID!]!) {
          nodes(ids: $ids) {
            ...CallRow_call @alias(as: "row")
          }
        }
      `,
      { ids },
    ).toPromise()
  }, pause)

  return (first: number, last: number) => {
    visible.current = [first, last]
  }
}
