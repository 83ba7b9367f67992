import { useRef } from 'react'
import { flushSync } from 'react-dom'
import { CallPanel } from './CallPanel'
import { Calls } from './CallList'
import { OrderFilter } from './OrderFilter'
import { StaleNotice } from './StaleNotice'
import { TokenDialog } from './TokenDialog'
import { navigate, useAddress } from './address'

export function App() {
  const { call, statuses } = useAddress()
  const list = useRef<HTMLElement>(null)

  function close() {
    // At once, because a hidden list, as on a phone, cannot take the focus.
    flushSync(() => navigate({ call: null }))
    // The keyboard continues at the row of the call that was open.
    list.current?.querySelector<HTMLElement>(`[data-call="${CSS.escape(call ?? '')}"]`)?.focus()
  }

  return (
    <div className="app" data-open={call !== null}>
      <main className="list-pane" ref={list}>
        <header className="masthead">
          <h1>Calls</h1>
          <OrderFilter chosen={statuses} choose={(statuses) => navigate({ statuses })} />
        </header>
        <StaleNotice />
        {/* Another filter is another list, with its own position and its own errors. */}
        <Calls key={statuses.join()} statuses={statuses} />
      </main>
      {call ? (
        <CallPanel key={call} id={call} close={close} />
      ) : (
        <div className="nothing-open">
          <p>Choose a call to read its transcript.</p>
        </div>
      )}
      <TokenDialog />
    </div>
  )
}
