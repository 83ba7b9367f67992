import { useEffect, useEffectEvent, useState } from 'react'

const shortest = 5_000
const longest = 60_000

/**
 * How long to wait after this many failures in succession, in milliseconds: twice as long each time, up to a minute. The
 * wait is a random part of that, at least half of it, so that the pages that an outage has stopped do not all come back
 * at the same moment.
 */
export function backoff(failures: number): number {
  const whole = Math.min(longest, shortest * 2 ** (failures - 1))
  return whole * (0.5 + Math.random() / 2)
}

/**
 * Calls `done` some time after each error, later each time, and returns the seconds that are left. A hidden page waits
 * until it is visible. A page that becomes visible, or is online again, does not wait any longer, unless the server has
 * named a time.
 *
 * @param retryAfter the number of seconds that the server wants the page to wait; undefined if `done` is not to be called
 */
export function useRetry(error: Error, retryAfter: number | undefined, done: () => void): number {
  const [latest, setLatest] = useState({ error, failures: 1 })
  if (latest.error !== error) setLatest({ error, failures: latest.failures + 1 })

  const [left, setLeft] = useState(0)
  const finish = useEffectEvent(done)
  useEffect(() => {
    if (retryAfter === undefined) return
    const start = Date.now()
    const earliest = start + retryAfter * 1000
    const due = Math.max(earliest, start + backoff(latest.failures))
    let finished = false
    const look = (time: number) => {
      const now = Date.now()
      setLeft(Math.max(0, Math.ceil((due - now) / 1000)))
      if (finished || document.hidden || now < time) return
      finished = true
      finish()
    }
    const tick = () => look(due)
    const now = () => look(earliest)
    tick()
    const timer = setInterval(tick, 250)
    addEventListener('online', now)
    document.addEventListener('visibilitychange', now)
    return () => {
      clearInterval(timer)
      removeEventListener('online', now)
      document.removeEventListener('visibilitychange', now)
    }
  }, [latest, retryAfter])
  return left
}
