// What to say when something fails, and what to do about it: wait and try again, ask for a token, or leave it to the reader.
import { useEffect, useEffectEvent, useState, type FormEvent } from 'react'
import { GatewayError, presentToken, tokens } from './gateway'

interface Props {
  error: Error
  retry: () => void
  trying?: boolean
}

export function Trouble({ error, retry, trying = false }: Props) {
  const { title, advice, wait, wantsToken, action = 'Try again' } = explain(error)
  const left = useCountdown(error, wait, retry)

  return (
    <div className="trouble" role="alert">
      <strong>{title}</strong>
      <p>{advice}</p>
      {wantsToken ? (
        <TokenForm retry={retry} />
      ) : (
        <button className="button" onClick={retry} disabled={trying}>
          {trying ? 'Trying …' : action}
          {/* A countdown that is read aloud each second would be no kindness. */}
          {!trying && left > 0 && <span aria-hidden="true"> in {left} s</span>}
        </button>
      )}
    </div>
  )
}

interface Explanation {
  title: string
  advice: string
  /** Seconds until it is tried again unasked; never, when absent. */
  wait?: number
  wantsToken?: boolean
  /** What the button says. */
  action?: string
}

/** Tells by its code what an error means for the reader. The codes are listed in the gateway's README. */
function explain(error: Error): Explanation {
  // An error of the page itself is for its developers.
  if (!(error instanceof GatewayError)) return { title: 'This page has a fault', advice: error.message }
  const { code, message, retryAfter = 5 } = error
  switch (code) {
    case 'OFFLINE':
      return { title: 'You are offline', advice: 'This goes on by itself once there is a network again.', wait: retryAfter }
    case 'UNREACHABLE':
      return { title: 'No answer', advice: 'The gateway cannot be reached. What you see may be out of date.', wait: retryAfter }
    case 'UPSTREAM_RATE_LIMITED':
    case 'OVERLOADED':
      return { title: 'Very busy just now', advice: 'Too much was asked at once. A short break helps.', wait: retryAfter }
    case 'UPSTREAM_TIMEOUT':
    case 'UPSTREAM_UNAVAILABLE':
      return { title: 'Revox does not answer', advice: 'That usually passes. Nothing is lost.', wait: retryAfter }
    case 'UNAUTHENTICATED':
      return { title: 'Who are you?', advice: 'The gateway wants a token that it knows.', wantsToken: true }
    case 'UPSTREAM_UNAUTHENTICATED':
      return { title: 'Not set up yet', advice: "Revox refuses the gateway's own key. Whoever runs the gateway must mend that." }
    case 'FORBIDDEN':
      return { title: 'Not for this account', advice: 'Revox does not let this account see calls.' }
    case 'CURSOR_EXPIRED':
    case 'INVALID_CURSOR':
      return { title: 'The list has moved on', advice: 'So much has changed that it has to be loaded anew.', action: 'Load anew' }
    case 'SCAN_LIMIT_REACHED':
      return { title: 'Too far back', advice: 'This call is too old to be found by its id. Scroll to it in the list, and open it there.' }
    default:
      return { title: 'That did not work', advice: message }
  }
}

/** Counts the seconds until `done` is called, which happens at once when the network comes back. */
function useCountdown(error: Error, seconds: number | undefined, done: () => void): number {
  const [left, setLeft] = useState(seconds ?? 0)
  const finish = useEffectEvent(done)
  useEffect(() => {
    if (seconds === undefined) return
    const due = Date.now() + seconds * 1000
    setLeft(Math.ceil(seconds))
    const timer = setInterval(() => {
      const left = Math.max(0, Math.ceil((due - Date.now()) / 1000))
      setLeft(left)
      if (left > 0) return
      clearInterval(timer)
      finish()
    }, 250)
    const online = () => finish()
    addEventListener('online', online)
    return () => {
      clearInterval(timer)
      removeEventListener('online', online)
    }
  }, [error, seconds])
  return left
}

/** Asks for a token. Whatever part of the page it was presented in, each part that lacked one tries again. */
function TokenForm({ retry }: { retry: () => void }) {
  const again = useEffectEvent(retry)
  useEffect(() => {
    const changed = () => again()
    tokens.addEventListener('change', changed)
    return () => tokens.removeEventListener('change', changed)
  }, [])

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    presentToken(String(new FormData(event.currentTarget).get('token')).trim())
  }
  return (
    <form className="token" onSubmit={submit}>
      <label>
        Token <input name="token" type="password" autoComplete="off" required />
      </label>
      <button className="button">Show calls</button>
    </form>
  )
}
