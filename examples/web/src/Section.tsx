// A part of the page that fetches: a placeholder while it loads, and a message with a button when it fails.
//
// Only events fetch what the store already has: drawing reads the store, and fetches what is not there. React draws a
// component as often as it likes, in StrictMode twice. With `network-only` each time would be a request.
import { Component, Suspense, useRef, useState, type ReactNode } from 'react'
import { ErrorMessage } from './ErrorMessage'

interface Props {
  /** Shown while the content loads for the first time. */
  placeholder: ReactNode
  /** Fetches the data of the content into Relay's store. */
  fetch: () => Promise<unknown>
  /** Draws the content from the store. The key changes when the content is to be drawn from its beginning. */
  children: (fetchKey: number, reload: () => void) => ReactNode
}

export function Section({ placeholder, fetch, children }: Props) {
  const [fetchKey, setFetchKey] = useState(0)
  const [failure, setFailure] = useState<Error | null>(null)
  const [loading, setLoading] = useState(false)
  const started = useRef(false)

  /** Loads the data again. What is shown stays until the response has arrived. */
  async function reload() {
    if (started.current) return
    started.current = true
    setLoading(true)
    const error = await fetch().then(() => null, (error: Error) => error)
    started.current = false
    setLoading(false)
    setFailure(error)
    if (!error) setFetchKey((key) => key + 1)
  }

  const message = (error: Error) => <ErrorMessage error={error} retry={reload} trying={loading} />
  return (
    <Suspense fallback={placeholder}>
      {/* The message stays the same one from failure to failure, so that it can wait longer each time. */}
      <Boundary key={fetchKey} fallback={(error) => message(failure ?? error)}>
        {failure ? message(failure) : children(fetchKey, reload)}
      </Boundary>
    </Suspense>
  )
}

interface BoundaryProps {
  fallback: (error: Error) => ReactNode
  children: ReactNode
}

/** Catches what its children throw. React has no hook for that. */
class Boundary extends Component<BoundaryProps, { error: Error | null }> {
  state = { error: null as Error | null }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  render() {
    return this.state.error ? this.props.fallback(this.state.error) : this.props.children
  }
}
