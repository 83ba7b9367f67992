// What to tell the user when something fails, and what happens next: wait and try again, or leave that to the user.
// A missing or wrong token or key is not among it: TokenDialog asks for one.
import { useRetry } from './backoff'
import { GatewayError } from './gateway'

interface Props {
  error: Error
  retry: () => void
  trying?: boolean
}

export function ErrorMessage({ error, retry, trying = false }: Props) {
  const { title, advice, wait, action = 'Try again' } = explain(error)
  const left = useRetry(error, wait, retry)

  return (
    <div className="error" role="alert">
      <strong>{title}</strong>
      <p>{advice}</p>
      <button className="button" onClick={retry} disabled={trying}>
        {trying ? 'Trying …' : action}
        {/* Screen readers would read out each second. */}
        {!trying && left > 0 && <span aria-hidden="true"> in {left} s</span>}
      </button>
    </div>
  )
}

interface Explanation {
  title: string
  advice: string
  /** The number of seconds after which the page tries again by itself, at the earliest; without it, the page does not. */
  wait?: number
  /** The label of the button. */
  action?: string
}

/** Explains an error by its code. The gateway's docs/errors.md lists the codes. */
function explain(error: Error): Explanation {
  // An error of the page itself is for its developers.
  if (!(error instanceof GatewayError)) return { title: 'This page has a bug', advice: error.message }
  const { code, message, retryAfter = 0 } = error
  switch (code) {
    case 'OFFLINE':
      return { title: 'You are offline', advice: 'The page continues when there is a network again.', wait: retryAfter }
    case 'UNREACHABLE':
      return { title: 'No connection to the gateway', advice: 'What you see may be out of date.', wait: retryAfter }
    case 'UPSTREAM_RATE_LIMITED':
    case 'OVERLOADED':
      return { title: 'Too many requests', advice: 'The page waits for a moment, and continues by itself.', wait: retryAfter }
    case 'UPSTREAM_TIMEOUT':
    case 'UPSTREAM_UNAVAILABLE':
      return { title: 'Revox does not respond', advice: 'This usually passes. Nothing is lost.', wait: retryAfter }
    case 'UPSTREAM_UNAUTHENTICATED':
      return {
        title: 'Revox rejects the key of the gateway',
        advice: 'The operator of the gateway must replace its key (REVOX_API_KEY). Your token is not the cause.',
      }
    case 'CURSOR_EXPIRED':
    case 'INVALID_CURSOR':
      return { title: 'The list has changed', advice: 'Too many calls have come and gone to continue from here.', action: 'Load again' }
    case 'SCAN_LIMIT_REACHED':
      return { title: 'Too far back', advice: 'This call is too old to be found by its id. Scroll to it in the list, and open it there.' }
    default:
      return { title: 'This did not work', advice: message }
  }
}
