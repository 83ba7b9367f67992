// How the page talks to the gateway: one POST for each query, and one kind of error for all that can go wrong.
import { Environment, Network, RecordSource, Store, type FetchFunction, type GraphQLResponse } from 'relay-runtime'

const address = import.meta.env.VITE_GATEWAY ?? '/graphql'

/** What went wrong, by the gateway's `extensions.code`; OFFLINE or UNREACHABLE when it gave no answer at all. */
export class GatewayError extends Error {
  constructor(
    message: string,
    readonly code: string,
    /** After how many seconds the gateway says it is worth trying again. */
    readonly retryAfter?: number,
  ) {
    super(message)
  }
}

/** Whether the list cannot be continued from where it is: it has moved on too far, and has to be loaded anew. */
export const isExpired = (error: Error | null) =>
  error instanceof GatewayError && ['CURSOR_EXPIRED', 'INVALID_CURSOR'].includes(error.code)

interface Answer {
  data?: Record<string, unknown> | null
  errors?: { message: string; extensions?: { code?: string; retryAfter?: number } }[]
}

let token = ''

/** Sends this token from now on. It is kept in memory only: a script that got into the page would find it in storage. */
export function presentToken(value: string) {
  token = value
  tokens.dispatchEvent(new Event('change'))
}

/** Tells by `change` that there is another token. */
export const tokens = new EventTarget()

const ask: FetchFunction = async ({ text }, variables) => {
  const answer = await post({ query: text, variables })
  // One unreadable call is an error beside the data of the others, which are worth showing. Only when nothing came is it a failure.
  const nothing = Object.values(answer.data ?? {}).every((field) => field === null)
  const error = answer.errors?.[0]
  if (error && nothing) {
    const { code = 'INTERNAL_SERVER_ERROR', retryAfter } = error.extensions ?? {}
    throw new GatewayError(error.message, code, retryAfter)
  }
  return answer as GraphQLResponse
}

async function post(body: object): Promise<Answer> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json',
  }
  if (token) headers.authorization = `Bearer ${token}`
  try {
    const response = await fetch(address, { method: 'POST', headers, body: JSON.stringify(body) })
    return await response.json()
  } catch {
    // No connection, or a proxy in between that says so in HTML.
    throw new GatewayError('The gateway cannot be reached.', navigator.onLine ? 'UNREACHABLE' : 'OFFLINE')
  }
}

export const environment = new Environment({
  network: Network.create(ask),
  store: new Store(new RecordSource()),
})
