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

/** Fetches the next page shortly before the reader gets there. After a failure it waits until `retry` is called. */
export function useNextCalls({ loadNext, hasNext, isLoadingNext }: Tail, pageSize: number, startAnew: () => void) {
  const [trouble, setTrouble] = useState<Error | null>(null)

  const load = () => loadNext(pageSize, { onComplete: setTrouble })

  /** Takes note that the reader sees this row, counted from 0, of so many. */
  function shown(row: number, rows: number) {
    if (row >= rows - ahead && hasNext && !isLoadingNext && !trouble) load()
  }

  const retry = () => (isExpired(trouble) ? startAnew() : load())
  return { trouble, retry, shown }
}
