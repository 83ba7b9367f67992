import { useState } from 'react'
import type { LoadMoreFn } from 'react-relay'
import type { CallListPageQuery } from './__generated__/CallListPageQuery.graphql'
import { isExpired } from './gateway'

const ahead = 20 // rows that are left when the next page is fetched

interface Tail {
  loadNext: LoadMoreFn<CallListPageQuery>
  hasNext: boolean
  isLoadingNext: boolean
}

/** Fetches the next page shortly before the user reaches it. After a failure, it waits until `retry` is called. */
export function useNextCalls({ loadNext, hasNext, isLoadingNext }: Tail, pageSize: number, reload: () => void) {
  const [error, setError] = useState<Error | null>(null)

  const load = () => loadNext(pageSize, { onComplete: setError })

  /** Gets the last visible row, counted from 0, and the number of rows. */
  function show(row: number, rows: number) {
    if (row >= rows - ahead && hasNext && !isLoadingNext && !error) load()
  }

  const retry = () => (isExpired(error) ? reload() : load())
  return { error, retry, show }
}
