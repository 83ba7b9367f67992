import { useEffect, useEffectEvent } from 'react'
import { backoff } from './backoff'

/**
 * Runs a task again and again while the page is visible. The next run starts `pause` milliseconds after the last has ended;
 * after failures in succession later each time, or when the page becomes visible.
 */
export function usePolling(task: () => Promise<unknown> | undefined, pause: number, on = true) {
  const run = useEffectEvent(async () => task())
  useEffect(() => {
    if (!on) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let failures = 0
    let running = false
    let stopped = false
    const poll = async () => {
      clearTimeout(timer)
      if (running) return
      running = true
      if (!document.hidden) failures = await run().then(() => 0, () => failures + 1)
      running = false
      if (!stopped) wait()
    }
    const wait = () => {
      timer = setTimeout(poll, failures > 0 ? backoff(failures) : pause)
    }
    const visible = () => {
      if (failures > 0 && !document.hidden) poll()
    }
    wait()
    document.addEventListener('visibilitychange', visible)
    return () => {
      stopped = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', visible)
    }
  }, [on, pause])
}
