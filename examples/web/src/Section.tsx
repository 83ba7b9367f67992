// A part of the page that fetches: something to look at while it loads, and a kind word with a way on when it fails.
import { Component, Suspense, useState, useTransition, type ReactNode } from 'react'
import { Trouble } from './Trouble'

interface Props {
  /** What stands there while it loads for the first time. */
  loading: ReactNode
  /** Draws the content from a number to fetch by, which grows with each call of `again`. */
  children: (attempt: number, again: () => void) => ReactNode
}

export function Section({ loading, children }: Props) {
  const [attempt, setAttempt] = useState(0)
  // In a transition, what is there stays until the new content has come, be it a list or an error.
  const [trying, startTransition] = useTransition()
  const again = () => startTransition(() => setAttempt((attempt) => attempt + 1))

  return (
    <Suspense fallback={loading}>
      <Boundary key={attempt} fallback={(error) => <Trouble error={error} retry={again} trying={trying} />}>
        {children(attempt, again)}
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
