// Asks for a token, tries it, and says what is wrong with it. The requests of the page wait until the gateway accepts one.
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { GatewayError, tryToken } from './gateway'
import { keepToken, useTokenRequest } from './token'

export function TokenDialog() {
  const request = useTokenRequest()
  return request && <Dialog rejected={request === 'rejected'} />
}

function Dialog({ rejected }: { rejected: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [trying, setTrying] = useState(false)
  const [error, setError] = useState(rejected ? 'The gateway rejects the token that you entered.' : '')

  useEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const token = String(new FormData(event.currentTarget).get('token')).trim()
    setTrying(true)
    setError('')
    try {
      await tryToken(token)
      keepToken(token)
    } catch (error) {
      setError(error instanceof GatewayError && error.code === 'UNAUTHENTICATED' ? 'The gateway rejects this token.' : (error as Error).message)
    }
    setTrying(false)
  }

  return (
    <dialog className="token" ref={dialog} aria-labelledby="token-title" onCancel={(event) => event.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id="token-title">This gateway requires a token</h2>
        <p>Its operator can give you one. The token is kept until you close this tab.</p>
        <label htmlFor="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          autoComplete="off"
          required
          autoFocus
          aria-invalid={error !== ''}
          aria-describedby="token-error"
        />
        <p className="token-error" id="token-error" role="alert">
          {error}
        </p>
        <button className="button primary" disabled={trying}>
          {trying ? 'Checking …' : 'Continue'}
        </button>
      </form>
    </dialog>
  )
}
