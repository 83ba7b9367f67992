import { useStaleTime } from './gateway'
import { formatTime } from './labels'

/** Says that Revox fails and the gateway responds from its cache, and how old the calls are. */
export function StaleNotice() {
  const time = useStaleTime()
  return (
    <div role="status">
      {time !== undefined && (
        <p className="stale">Revox does not respond. The list is as of {formatTime(new Date(time).toISOString())}.</p>
      )}
    </div>
  )
}
