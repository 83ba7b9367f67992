// One call with its transcript. No other query asks for a transcript, and this one runs when the call is opened.
import { useEffect, useRef, useState } from 'react'
import { fetchQuery, graphql, useLazyLoadQuery, useRelayEnvironment } from 'react-relay'
import { Conversation } from './Conversation'
import { ErrorMessage } from './ErrorMessage'
import { Section } from './Section'
import { StatusBadge } from './StatusBadge'
import { StructuredOutput } from './StructuredOutput'
import type { CallPanelQuery } from './__generated__/CallPanelQuery.graphql'
import { usePolling } from './usePolling'
import { formatDuration, formatTime, isOver, labelOf, readable } from './labels'

const pause = 4_000 // between two requests for a call that is not over

const callQuery = graphql`
  query CallPanelQuery($id: ID!) {
    call(id: $id) {
      ...CallRow_call
      status
      phoneNumber
      startedAt
      endedAt
      durationSeconds
      ringingSeconds
      result
      dialError
      endReason
      endedBy
      structuredOutput
      transcript {
        ...Conversation_entries
      }
    }
  }
`

export function CallPanel({ id, close }: { id: string; close: () => void }) {
  const environment = useRelayEnvironment()
  const panel = useRef<HTMLElement>(null)
  useEffect(() => panel.current?.focus(), [])

  return (
    <section
      className="call-pane"
      aria-label="Call"
      ref={panel}
      tabIndex={-1}
      onKeyDown={(event) => event.key === 'Escape' && close()}
    >
      <button className="close" onClick={close} aria-label="Close this call">
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d="M5 5l10 10M15 5L5 15" />
        </svg>
      </button>
      <Section
        placeholder={<p className="note" role="status">Loading the call …</p>}
        fetch={() => fetchQuery<CallPanelQuery>(environment, callQuery, { id }).toPromise()}
      >
        {(fetchKey) => <Call id={id} fetchKey={fetchKey} />}
      </Section>
    </section>
  )
}

function Call({ id, fetchKey }: { id: string; fetchKey: number }) {
  // What the store has of a call that is over does not change any more.
  const { call } = useLazyLoadQuery<CallPanelQuery>(callQuery, { id }, { fetchKey, fetchPolicy: 'store-or-network' })
  const inProgress = call != null && !isOver(call.status)
  // The rows update `status`, and not the rest. No other query selects `endedAt`, so a call that has it is complete.
  // Revox may leave it out, so one response after the end is enough too.
  const [complete, setComplete] = useState(false)
  const unfinished = inProgress || (call != null && call.endedAt == null && !complete)
  const environment = useRelayEnvironment()
  const [error, setError] = useState<Error | null>(null)
  const refresh = () =>
    fetchQuery<CallPanelQuery>(environment, callQuery, { id })
      .toPromise()
      .then((response) => {
        setError(null)
        setComplete(response?.call != null && isOver(response.call.status))
      }, setError)
  usePolling(refresh, pause, unfinished && !error)

  if (!call) return <p className="note">There is no such call, or it is no longer in the list.</p>
  const outcome = call.dialError ?? call.result
  const facts = [
    ['Dialled', call.startedAt && formatTime(call.startedAt)],
    ['Rang', call.ringingSeconds != null && `${Math.round(call.ringingSeconds)} s`],
    ['Duration', call.durationSeconds != null && formatDuration(call.durationSeconds)],
    ['Ended by', call.endedBy && labelOf(call.endedBy)],
    ['Why it ended', call.endReason && readable(call.endReason)],
  ].filter((fact): fact is [string, string] => Boolean(fact[1]))

  return (
    <>
      <header className="call-head">
        <h2>{call.phoneNumber ?? 'Unknown number'}</h2>
        <p>
          <StatusBadge status={call.status} />
          {outcome && labelOf(outcome)}
        </p>
        <dl className="facts">
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </header>
      {error && <ErrorMessage error={error} retry={refresh} />}
      <StructuredOutput output={call.structuredOutput} />
      <Conversation entries={call.transcript} inProgress={inProgress} />
    </>
  )
}
