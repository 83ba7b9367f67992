// The open call and the filter are in the address of the page: they survive a reload, and a link has them.
import { useMemo, useSyncExternalStore } from 'react'
import { orderStatuses, type OrderStatus } from './labels'

export interface Address {
  /** The id of the open call. */
  call: string | null
  /** Only calls whose order has one of these statuses; all when empty. */
  statuses: OrderStatus[]
}

/** The open call and the filter. */
export function useAddress(): Address {
  const search = useSyncExternalStore(subscribe, () => location.search)
  return useMemo(() => read(search), [search])
}

/** Opens another call or list; the browser's Back button returns from there. */
export function navigate(change: Partial<Address>) {
  history.pushState(null, '', href(change))
  dispatchEvent(new PopStateEvent('popstate'))
}

/** The address after a change. */
export function href(change: Partial<Address>): string {
  const { call, statuses } = { ...read(location.search), ...change }
  const parameters = new URLSearchParams()
  if (statuses.length > 0) parameters.set('order', statuses.join(' '))
  if (call) parameters.set('call', call)
  return parameters.size > 0 ? `?${parameters}` : location.pathname
}

function read(search: string): Address {
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
