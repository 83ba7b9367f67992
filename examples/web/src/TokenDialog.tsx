// Asks for a token or key, tries it, and says what is wrong with it. The requests of the page wait until one is accepted.
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { tryToken } from './gateway'
import { keepToken, useTokenRequest, type Kind, type Wanted } from './token'

export function TokenDialog() {
  const request = useTokenRequest()
  return request && <Dialog {...request} />
}

const texts = {
  token: {
    title: 'This gateway requires a token',
    advice: 'Its operator can give you one. The token is kept until you close this tab.',
    label: 'Token',
  },
  key: {
    title: 'This gateway requires your Revox API key',
    advice: 'It reads your calls with that key. The key is kept until you close this tab.',
    label: 'Revox API key',
  },
}

function Dialog({ kind, problem = '' }: Wanted) {
  const { title, advice, label } = texts[kind]
  const dialog = useRef<HTMLDialogElement>(null)
  const [trying, setTrying] = useState(false)
  const [error, setError] = useState(problem)

  useEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const token = String(new FormData(event.currentTarget).get('token')).trim()
    const flaw = flawOf(token, kind)
    if (flaw) return setError(flaw)
    setTrying(true)
    setError('')
    const problem = await tryToken(token, kind)
    if (problem) setError(problem)
    else keepToken(token)
    setTrying(false)
  }

  return (
    <dialog
      className="token"
      ref={dialog}
      aria-labelledby="token-title"
      onClose={(event) => {
        // A page cannot prevent that Escape closes a dialog, at the latest when it is pressed twice.
        if (!event.currentTarget.open) event.currentTarget.showModal()
      }}
    >
      <form onSubmit={submit}>
        <h2 id="token-title">{title}</h2>
        <p>{advice}</p>
        <label htmlFor="token">{label}</label>
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

/** What is wrong with a text that no gateway accepts as a token, or no header can carry; undefined if it may be one. */
function flawOf(text: string, kind: Kind): string | undefined {
  if (!text) return `Enter a ${kind}.`
  const character = text.match(/[^\x21-\x7e]/u)?.[0]
  if (!character) return
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
  const named = /\s/.test(character) ? 'spaces' : `the character “${character}” (U+${code})`
  return `A ${kind} cannot contain ${named}. Copy the whole ${kind}, and nothing else.`
}
