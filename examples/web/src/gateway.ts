// How the page talks to the gateway: one POST for each query, and one kind of error for all that can go wrong.
import { Environment, Network, RecordSource, Store, type FetchFunction, type GraphQLResponse } from 'relay-runtime'
import { shared } from './shared'
import { currentToken, otherToken } from './token'

const address = import.meta.env.VITE_GATEWAY ?? '/graphql'

/** What went wrong, by the gateway's `extensions.code`; OFFLINE or UNREACHABLE if there was no response. */
export class GatewayError extends Error {
  constructor(
    message: string,
    readonly code: string,
    /** The number of seconds after which the gateway suggests to try again. */
    readonly retryAfter?: number,
  ) {
    super(message)
  }
}

/** Whether the list cannot be continued at its cursor, because it has changed too much: it must be loaded again. */
export const isExpired = (error: Error | null) =>
  error instanceof GatewayError && ['CURSOR_EXPIRED', 'INVALID_CURSOR'].includes(error.code)

interface Response {
  data?: Record<string, unknown> | null
  errors?: { message: string; extensions?: { code?: string; retryAfter?: number } }[]
  extensions?: { stale?: number }
}

/** Sends a query. If the gateway rejects the token, the query waits for another token and is sent again. */
const execute: FetchFunction = async ({ text }, variables) => {
  for (;;) {
    const token = currentToken()
    try {
      const response = await post({ query: text, variables }, token)
      const { stale } = response.extensions ?? {}
      staleTime.set(stale === undefined ? undefined : Date.now() - stale * 1000)
      return response as GraphQLResponse
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'UNAUTHENTICATED')) throw error
      await otherToken(token)
    }
  }
}

/** Throws unless the gateway accepts a token. It asks for nothing that the gateway would have to fetch. */
export async function tryToken(token: string) {
  await post({ query: '{ __typename }' }, token).catch((error: GatewayError) => {
    // A gateway that runs trusted documents only rejects the query, but has accepted the token.
    if (['UNAUTHENTICATED', 'UNREACHABLE', 'OFFLINE'].includes(error.code)) throw error
  })
}

async function post(body: object, token: string): Promise<Response> {
  const response = await receive(body, token)
  // One unreadable call is an error beside the data of the others, which are worth showing. It is a failure if there is no data.
  const nothing = Object.values(response.data ?? {}).every((field) => field === null)
  const error = response.errors?.[0]
  if (error && nothing) {
    const { code = 'INTERNAL_SERVER_ERROR', retryAfter } = error.extensions ?? {}
    throw new GatewayError(error.message, code, retryAfter)
  }
  return response
}

async function receive(body: object, token: string): Promise<Response> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json',
  }
  if (token) headers.authorization = `Bearer ${token}`
  try {
    const response = await fetch(address, { method: 'POST', headers, body: JSON.stringify(body) })
    return await response.json()
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
