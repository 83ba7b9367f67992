import { useEffect, useEffectEvent, useState } from 'react'
import type { LoadMoreFn } from 'react-relay'
import type { CallListPageQuery } from './__generated__/CallListPageQuery.graphql'
import { isExpired } from './gateway'

const pause = 4_000
const most = 100 // calls of one response

interface Head {
  loadPrevious: LoadMoreFn<CallListPageQuery>
  hasPrevious: boolean
}

/** Polls for calls that have arrived above the list. After a failure, it waits until `retry` is called. */
export function useNewCalls({ loadPrevious, hasPrevious }: Head, empty: boolean, reload: () => void) {
  const [polls, setPolls] = useState(0)
  const [error, setError] = useState<Error | null>(null)

  function poll() {
    const done = () => setPolls((polls) => polls + 1)
    if (document.hidden) return done()
    // A list without calls has no cursor to page upwards from.
    if (empty) return done(), reload()
    loadPrevious(most, {
      onComplete(error) {
        setError(error)
        done()
      },
    })
  }

  const pollLater = useEffectEvent(poll)
  useEffect(() => {
    if (error) return
    // More calls have arrived than one response holds: the rest is fetched at once.
    const timer = setTimeout(pollLater, hasPrevious ? 100 : pause)
    return () => clearTimeout(timer)
  }, [polls, error, hasPrevious])

  const retry = () => (isExpired(error) ? reload() : poll())
  return { error, retry }
}
