import { useSyncExternalStore } from 'react'

/** A value outside of React that components read with `use`, and are drawn again when it changes. */
export function shared<T>(value: T) {
  const listeners = new Set<() => void>()
  const subscribe = (listener: () => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  return {
    use: () => useSyncExternalStore(subscribe, () => value),
    get: () => value,
    set(next: T) {
      value = next
      listeners.forEach((listener) => listener())
    },
  }
}
