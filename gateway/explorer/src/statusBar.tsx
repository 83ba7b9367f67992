import { useEffect, useState } from 'react'
import { useGraphiQL } from '@graphiql/react'
import { exchange, type Exchange } from './gateway'

/** Shows the status, time, size, cost and age of the response in the open tab. */
export function StatusBar() {
  const latest = exchange.use()
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id) ?? ''
  const [byTab, setByTab] = useState<Record<string, Exchange>>({})
  useEffect(() => {
    if (latest) setByTab((known) => ({ ...known, [tab]: latest }))
  }, [latest]) // and not when another tab is opened

  const shown = byTab[tab]
  return (
    <div role="status" className="status-bar">
      {shown && <Details of={shown} />}
    </div>
  )
}

function Details({ of: { status, milliseconds, bytes, cost, age, stale } }: { of: Exchange }) {
  return (
    <dl>
      <Detail name="Status" value={String(status)} bad={status >= 400} />
      <Detail name="Time" value={`${milliseconds.toLocaleString('en')} ms`} />
      <Detail name="Size" value={formatBytes(bytes)} />
      {cost && <Detail name="Cost" value={cost.requested.toLocaleString('en')} title={`of ${cost.limit.toLocaleString('en')} that a query may cost`} />}
      {age && <Detail name="Age" value={`${age} s`} title="since the gateway read these calls from Revox" bad={stale} />}
      {stale && <Detail name="Stale" value="Revox fails" title="The gateway responds from its cache." bad />}
    </dl>
  )
}

function Detail({ name, value, title, bad = false }: { name: string; value: string; title?: string; bad?: boolean }) {
  return (
    <div title={title} data-bad={bad}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

/** 1,234 bytes are `1.2 kB`. */
function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(1)} kB`
  return `${(bytes / 1e6).toFixed(1)} MB`
}
