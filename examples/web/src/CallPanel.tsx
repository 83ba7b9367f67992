// One call with all that was said. Its query is the only one that asks for a transcript, and runs when the call is opened.
import { useEffect, useEffectEvent, useRef } from 'react'
import { graphql, useLazyLoadQuery } from 'react-relay'
import { Conversation } from './Conversation'
import { Findings } from './Findings'
import { Section } from './Section'
import { StatusBadge } from './StatusBadge'
import type { CallPanelQuery } from './__generated__/CallPanelQuery.graphql'
import { callWord, duration, moment, plain } from './words'

const pollEvery = 4_000

export function CallPanel({ id, close }: { id: string; close: () => void }) {
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
      <Section loading={<p className="note" role="status">Fetching what was said …</p>}>
        {(attempt, again) => <Call id={id} attempt={attempt} again={again} />}
      </Section>
    </section>
  )
}

function Call({ id, attempt, again }: { id: string; attempt: number; again: () => void }) {
  const { call } = useLazyLoadQuery<CallPanelQuery>(
    graphql`
      query CallPanelQuery($id: ID!) {
        call(id: $id) {
          ...CallRow_call
          status
          phoneNumber
          startedAt
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
    `,
    { id },
    // What a call that is over once said, it says for good.
    { fetchKey: attempt, fetchPolicy: attempt === 0 ? 'store-or-network' : 'network-only' },
  )
  const goesOn = call != null && !['COMPLETED', 'ERROR'].includes(call.status)
  usePolling(goesOn, again)

  if (!call) return <p className="note">There is no such call, or it is no longer in the list.</p>
  const outcome = call.dialError ?? call.result
  const facts = [
    ['Dialled', call.startedAt && moment(call.startedAt)],
    ['Rang', call.ringingSeconds != null && `${Math.round(call.ringingSeconds)} s`],
    ['Talked', call.durationSeconds != null && duration(call.durationSeconds)],
    ['Ended by', call.endedBy && callWord(call.endedBy)],
    ['Why it ended', call.endReason && plain(call.endReason)],
  ].filter((fact): fact is [string, string] => Boolean(fact[1]))

  return (
    <>
      <header className="call-head">
        <h2>{call.phoneNumber ?? 'Unknown number'}</h2>
        <p>
          <StatusBadge status={call.status} />
          {outcome && callWord(outcome)}
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
      <Findings findings={call.structuredOutput} />
      <Conversation entries={call.transcript} goesOn={goesOn} />
    </>
  )
}

/** Calls a function every few seconds, as long as that makes sense. */
function usePolling(on: boolean, task: () => void) {
  const run = useEffectEvent(() => {
    if (!document.hidden) task()
  })
  useEffect(() => {
    if (!on) return
    const timer = setInterval(run, pollEvery)
    return () => clearInterval(timer)
  }, [on])
}
