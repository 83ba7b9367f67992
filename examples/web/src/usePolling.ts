import { useEffect, useEffectEvent } from 'react'

/** Runs a task again and again while the page is visible. The next run starts `pause` milliseconds after the last has ended. */
export function usePolling(task: () => Promise<unknown> | undefined, pause: number, on = true) {
  const run = useEffectEvent(async () => {
    if (!document.hidden) await task()
  })
  useEffect(() => {
    if (!on) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let stopped = false
    const wait = () => {
      timer = setTimeout(async () => {
        await run()
        if (!stopped) wait()
      }, pause)
    }
    wait()
    return () => {
      stopped = true
      clearTimeout(timer)
    }
  }, [on, pause])
}
