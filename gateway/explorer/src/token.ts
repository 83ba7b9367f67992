// The token that the gateway requires, if it requires one: a token of its own, or the user's key for Revox. The page asks
// for it once: it is kept until the tab is closed, and other tabs of the page get it. A script that got into the page
// could read it, as it could read what is typed.
import { shared } from './shared'

const key = 'revox-graphql.token'
const tabs = new BroadcastChannel(key)
const rejected = new Set<string>() // another tab may still have one of them

let token = sessionStorage.getItem(key) ?? ''
let waiting: (() => void)[] = [] // requests that the gateway has rejected

export const currentToken = () => token

export type Kind = 'token' | 'key'

/** What the page must ask for. */
export type Wanted = {
  /** A token of the gateway, or the user's key for Revox. */
  kind: Kind
  /** What is wrong with the token that was sent. */
  problem?: string
}

/** What the page must ask for after an error of a response; undefined if its cause is something else. */
export function wantedAfter(
  { path, extensions }: { path?: unknown[]; extensions?: { code?: string } },
  headers: Headers,
  token: string,
): Wanted | undefined {
  // Revox is asked for a field, so its rejection has a path. Rejections of the gateway have a header instead.
  const kind = path || headers.get('WWW-Authenticate')?.includes('realm="Revox"') ? 'key' : 'token'
  switch (extensions?.code) {
    case 'UNAUTHENTICATED':
      if (path) return { kind, problem: 'Revox rejects this key.' }
      return { kind, problem: token && 'The gateway rejects this token.' }
    case 'FORBIDDEN': // only of a key of the user's
      return { kind, problem: 'Revox does not let this key list calls.' }
  }
}

/** A query that finds out whether a token is accepted. Only Revox can say that of a key. */
export const tryingQuery = (kind: Kind) => (kind === 'key' ? '{ calls(first: 1) { nodes { id } } }' : '{ __typename }')

/** What requests wait for; undefined if none waits. */
const request = shared<Wanted | undefined>(undefined)
export const useTokenRequest = request.use

/** Waits for a token other than one that has been rejected. Meanwhile, the page asks for it. */
export function otherToken(than: string, wanted: Wanted): Promise<void> {
  rejected.add(than)
  if (token !== than) return Promise.resolve()
  return new Promise((resolve) => {
    waiting.push(resolve)
    request.set(wanted)
    tabs.postMessage({ wanted: true })
  })
}

/** Uses a token that the gateway has accepted, in all tabs. */
export function keepToken(value: string) {
  rejected.delete(value)
  use(value)
  tabs.postMessage({ token: value })
}

tabs.onmessage = ({ data }: MessageEvent<{ token?: string; wanted?: boolean }>) => {
  if (data.wanted && token && !rejected.has(token)) tabs.postMessage({ token })
  if (data.token && data.token !== token && !rejected.has(data.token)) use(data.token)
}

function use(value: string) {
  token = value
  sessionStorage.setItem(key, value)
  request.set(undefined)
  const resumed = waiting
  waiting = []
  resumed.forEach((resume) => resume())
}
