import { graphql, useFragment } from 'react-relay'
import type { CallRow_call$key } from './__generated__/CallRow_call.graphql'
import { StatusBadge } from './StatusBadge'
import { callWord, duration, moment } from './words'

/** What a row shows of a call. The transcript, nine tenths of a call's bytes, is not among it. */
export function CallRow({ call }: { call: CallRow_call$key }) {
  const { status, phoneNumber, startedAt, durationSeconds, result, dialError } = useFragment(
    graphql`
      fragment CallRow_call on Call {
        status
        phoneNumber
        startedAt
        durationSeconds
        result
        dialError
      }
    `,
    call,
  )
  const outcome = dialError ?? result
  return (
    <>
      <span className="number">{phoneNumber ?? 'Unknown number'}</span>
      <time className="when" dateTime={startedAt ?? undefined}>
        {startedAt ? moment(startedAt) : 'not yet dialled'}
      </time>
      <span className="how">
        <StatusBadge status={status} />
        {outcome && <span className="outcome">{callWord(outcome)}</span>}
      </span>
      {durationSeconds != null && (
        <span className="length">
          {duration(durationSeconds)}
          <span className="unseen"> minutes</span>
        </span>
      )}
    </>
  )
}
