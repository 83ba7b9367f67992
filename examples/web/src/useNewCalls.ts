import { useEffect, useEffectEvent, useState } from 'react'
import type { LoadMoreFn } from 'react-relay'
import type { CallListPageQuery } from './__generated__/CallListPageQuery.graphql'
import { isExpired } from './gateway'

const pollEvery = 4_000
const most = 100 // calls that one question may return

interface Head {
  loadPrevious: LoadMoreFn<CallListPageQuery>
  hasPrevious: boolean
}

/** Asks again and again what has arrived above the list. After a failure it waits until `retry` is called. */
export function useNewCalls({ loadPrevious, hasPrevious }: Head, empty: boolean, startAnew: () => void) {
  const [rounds, setRounds] = useState(0)
  const [trouble, setTrouble] = useState<Error | null>(null)

  function look() {
    const done = () => setRounds((rounds) => rounds + 1)
    if (document.hidden) return done()
    // A list without calls has no cursor to walk up from.
    if (empty) return done(), startAnew()
    loadPrevious(most, {
      onComplete(error) {
        setTrouble(error)
        done()
      },
    })
  }

  const lookLater = useEffectEvent(look)
  useEffect(() => {
    if (trouble) return
    // More has arrived than one answer holds: the rest is fetched at once.
    const timer = setTimeout(lookLater, hasPrevious ? 100 : pollEvery)
    return () => clearTimeout(timer)
  }, [rounds, trouble, hasPrevious])

  const retry = () => (isExpired(trouble) ? startAnew() : look())
  return { trouble, retry }
}
