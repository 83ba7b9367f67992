import { useEffect, useEffectEvent, useRef } from 'react'
import { fetchQuery, graphql, useRelayEnvironment } from 'react-relay'
import type { useUnfinishedCallsQuery } from './__generated__/useUnfinishedCallsQuery.graphql'

const pollEvery = 5_000
const over = ['COMPLETED', 'ERROR']

interface Call {
  id: string
  status: string
}

/**
 * Keeps the calls that the reader sees, and that are not over, up to date. Relay knows by their ids which rows that
 * concerns, so there is nothing to do with the answer. The function that it returns takes the first and last row seen.
 */
export function useUnfinishedCalls(calls: readonly Call[]) {
  const environment = useRelayEnvironment()
  const seen = useRef([0, 0])

  const refresh = useEffectEvent(() => {
    const [from = 0, to = 0] = seen.current
    const ids = calls.slice(from, to + 1).filter((call) => !over.includes(call.status)).map((call) => call.id)
    if (ids.length === 0 || document.hidden) return
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
    ).subscribe({ error: () => {} }) // Whether the gateway can be reached is seen by what fetches the list.
  })

  useEffect(() => {
    const timer = setInterval(refresh, pollEvery)
    return () => clearInterval(timer)
  }, [])

  return (from: number, to: number) => {
    seen.current = [from, to]
  }
}
