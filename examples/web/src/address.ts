// What is open and how the list is filtered is in the address: it survives a reload, and can be sent to a colleague.
import { useMemo, useSyncExternalStore } from 'react'
import { orderStatuses, type OrderStatus } from './words'

export interface Place {
  /** The id of the open call. */
  call: string | null
  /** Only calls whose order has one of these statuses; all when empty. */
  statuses: OrderStatus[]
}

/** Where the reader is. */
export function usePlace(): Place {
  const search = useSyncExternalStore(subscribe, () => location.search)
  return useMemo(() => read(search), [search])
}

/** Goes to another place; the browser's Back button leads back from there. */
export function go(change: Partial<Place>) {
  history.pushState(null, '', href(change))
  dispatchEvent(new PopStateEvent('popstate'))
}

/** The address of a place that differs from this one by a change. */
export function href(change: Partial<Place>): string {
  const { call, statuses } = { ...read(location.search), ...change }
  const parameters = new URLSearchParams()
  if (statuses.length > 0) parameters.set('order', statuses.join(' '))
  if (call) parameters.set('call', call)
  return parameters.size > 0 ? `?${parameters}` : location.pathname
}

function read(search: string): Place {
  const parameters = new URLSearchParams(search)
  const wanted = parameters.get('order')?.split(' ') ?? []
  return {
    call: parameters.get('call'),
    statuses: orderStatuses.filter((status) => wanted.includes(status)),
  }
}

function subscribe(changed: () => void) {
  addEventListener('popstate', changed)
  return () => removeEventListener('popstate', changed)
}
