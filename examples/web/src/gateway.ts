// How the page talks to the gateway: one POST for each query, and one kind of error for all that can go wrong.
import { Environment, Network, RecordSource, Store, type FetchFunction, type GraphQLResponse } from 'relay-runtime'
import { shared } from './shared'
import { currentToken, otherToken, tryingQuery, wantedAfter, type Kind, type Wanted } from './token'

const address = import.meta.env.VITE_GATEWAY ?? '/graphql'

/** What went wrong, by the gateway's `extensions.code`; OFFLINE or UNREACHABLE if there was no response. */
export class GatewayError extends Error {
  constructor(
    message: string,
    readonly code: string,
    /** The number of seconds after which the gateway suggests to try again. */
    readonly retryAfter?: number,
    /** What the page must ask for, if the token is the cause. */
    readonly wanted?: Wanted,
  ) {
    super(message)
  }
}

/** Whether the list cannot be continued at its cursor, because it has changed too much: it must be loaded again. */
export const isExpired = (error: Error | null) =>
  error instanceof GatewayError && ['CURSOR_EXPIRED', 'INVALID_CURSOR'].includes(error.code)

interface Response {
  data?: Record<string, unknown> | null
  errors?: { message: string; path?: unknown[]; extensions?: { code?: string; retryAfter?: number } }[]
  extensions?: { stale?: number }
}

/** Sends a query. If the gateway or Revox rejects the token, the query waits for another token and is sent again. */
const execute: FetchFunction = async ({ text }, variables) => {
  for (;;) {
    const token = currentToken()
    try {
      const response = await post({ query: text, variables }, token)
      const { stale } = response.extensions ?? {}
      staleTime.set(stale === undefined ? undefined : Date.now() - stale * 1000)
      return response as GraphQLResponse
    } catch (error) {
      if (!(error instanceof GatewayError && error.wanted)) throw error
      await otherToken(token, error.wanted)
    }
  }
}

/** Returns what is wrong with a token, or with a key for Revox; undefined if it is accepted. */
export async function tryToken(token: string, kind: Kind): Promise<string | undefined> {
  try {
    await post({ query: tryingQuery(kind) }, token)
  } catch (error) {
    const { code, message, wanted } = error as GatewayError
    if (['UNREACHABLE', 'OFFLINE'].includes(code)) return message
    // Other errors say nothing about the token: Revox may fail, or the gateway may run trusted documents only.
    return wanted?.problem
  }
}

async function post(body: object, token: string): Promise<Response> {
  const [response, headers] = await receive(body, token)
  // One unreadable call is an error beside the data of the others, which are worth showing. It is a failure if there is no data.
  const nothing = Object.values(response.data ?? {}).every(isNothing)
  const error = response.errors?.[0]
  if (error && nothing) {
    const { code = 'INTERNAL_SERVER_ERROR', retryAfter } = error.extensions ?? {}
    throw new GatewayError(error.message, code, retryAfter, wantedAfter(error, headers, token))
  }
  return response
}

/** Whether a field is null, or a list of nothing but nulls, as `nodes` is if Revox fails. */
const isNothing = (field: unknown): boolean =>
  field === null || (Array.isArray(field) && field.length > 0 && field.every(isNothing))

async function receive(body: object, token: string): Promise<[Response, Headers]> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json',
  }
  if (token) headers.authorization = `Bearer ${token}`
  try {
    const response = await fetch(address, { method: 'POST', headers, body: JSON.stringify(body) })
    return [await response.json(), response.headers]
  } catch {
    // No connection, or a proxy in between that reports this in HTML.
    throw new GatewayError('The gateway cannot be reached.', navigator.onLine ? 'UNREACHABLE' : 'OFFLINE')
  }
}

/** When the gateway read the calls of its latest response, if that was long ago because Revox fails; in milliseconds. */
const staleTime = shared<number | undefined>(undefined)
export const useStaleTime = staleTime.use

export const environment = new Environment({
  network: Network.create(execute),
  store: new Store(new RecordSource()),
})
