import { graphql, useFragment } from 'react-relay'
import type { CallRow_call$key } from './__generated__/CallRow_call.graphql'
import { StatusBadge } from './StatusBadge'
import { formatDuration, formatTime, labelOf } from './labels'

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
        {startedAt ? formatTime(startedAt) : 'Not dialled yet'}
      </time>
      <span className="how">
        <StatusBadge status={status} />
        {outcome && <span className="outcome">{labelOf(outcome)}</span>}
      </span>
      {durationSeconds != null && (
        <span className="length">
          {formatDuration(durationSeconds)}
          <span className="unseen"> minutes</span>
        </span>
      )}
    </>
  )
}
