import { useRef } from 'react'
import { CallPanel } from './CallPanel'
import { Calls } from './CallList'
import { OrderFilter } from './OrderFilter'
import { go, usePlace } from './address'

export function App() {
  const { call, statuses } = usePlace()
  const list = useRef<HTMLElement>(null)

  function close() {
    go({ call: null })
    // The keyboard goes on where it was: at the row of the call that was open.
    list.current?.querySelector<HTMLElement>(`[data-call="${CSS.escape(call ?? '')}"]`)?.focus()
  }

  return (
    <div className="app" data-open={call !== null}>
      <main className="list-pane" ref={list}>
        <header className="masthead">
          <h1>Calls</h1>
          <OrderFilter chosen={statuses} choose={(statuses) => go({ statuses })} />
        </header>
        {/* Another filter is another list, with its own place and its own errors. */}
        <Calls key={statuses.join()} statuses={statuses} />
      </main>
      {call ? (
        <CallPanel key={call} id={call} close={close} />
      ) : (
        <div className="nothing-open">
          <p>Choose a call to read what was said.</p>
        </div>
      )}
    </div>
  )
}
