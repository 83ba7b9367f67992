// The token that the gateway requires, if it requires one. The page asks for it once: it is kept until the tab is closed,
// and other tabs of the page get it. A script that got into the page could read it, as it could read what is typed.
import { shared } from './shared'

const key = 'revox-graphql.token'
const tabs = new BroadcastChannel(key)
const rejected = new Set<string>() // another tab may still have one of them

let token = sessionStorage.getItem(key) ?? ''
let waiting: (() => void)[] = [] // requests that the gateway has rejected

export const currentToken = () => token

/** Why requests wait for a token; undefined if none waits. */
const request = shared<'missing' | 'rejected' | undefined>(undefined)
export const useTokenRequest = request.use

/** Waits for a token other than one that the gateway has rejected. Meanwhile, the page asks for it. */
export function otherToken(than: string): Promise<void> {
  rejected.add(than)
  if (token !== than) return Promise.resolve()
  return new Promise((resolve) => {
    waiting.push(resolve)
    request.set(token ? 'rejected' : 'missing')
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
