import type { Fetcher, FetcherParams } from '@graphiql/toolkit'
import { headersOf } from './headers'
import { problemOf, unreachable, type GraphQLResponse } from './problem'
import { shared } from './shared'
import { currentToken, otherToken, tryingQuery, wantedAfter, type Kind } from './token'

/** Relative, so that the page also works behind a proxy that serves it under a prefix. */
export const endpoint = new URL('./graphql', document.baseURI).href

/** What the page shows of a response beside its body. */
export type Exchange = {
  status: number
  milliseconds: number
  bytes: number
  /** Seconds since Revox was asked for the oldest data of the response. */
  age?: string
  cost?: { requested: number; limit: number }
  /** The data is older than it should be, because Revox fails. */
  stale: boolean
}

/** The latest response to a query of the user. */
export const exchange = shared<Exchange | undefined>(undefined)

/** The advice to show; undefined if none is needed. */
export const problem = shared<string | undefined>(undefined)

/** Whether the calls are demo data. */
export const demo = shared(false)

/**
 * Sends the requests of GraphiQL. They are observables, because GraphiQL ends only those when the user stops a query: of
 * a promise, the response would come later, and replace what the page shows of the next query.
 */
export const fetcher: Fetcher = (operation, { headers = {} } = {}) => ({
  subscribe(observer: unknown) {
    const { next, error, complete } = observer as Observer
    const ended = new AbortController()
    send(operation, headers, ended.signal)
      .then((response) => response.json())
      .then(next)
      // GraphiQL would show the stack of an error.
      .then(complete, ({ message }: Error) => ended.signal.aborted || error({ message }))
    return { unsubscribe: () => ended.abort() }
  },
})

type Observer = { next: (result: object) => void; error: (reason: unknown) => void; complete: () => void }

/**
 * Sends an operation with the token. If the gateway or Revox rejects the token, the request waits until the user has
 * entered another one, and is sent again. An Authorization header that the user has written is sent as it is.
 */
async function send(operation: FetcherParams, ownHeaders: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const headers = new Headers({
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json;q=0.9',
  })
  // Set one by one: in an object, a name in another case would add a second value to the default.
  headersOf(ownHeaders).forEach((value, name) => headers.set(name, value))
  const ownAuthorization = headers.has('authorization')
  const wantsCost = headers.has('x-query-cost')
  headers.set('x-query-cost', 'true')
  for (;;) {
    const token = currentToken()
    if (token && !ownAuthorization) headers.set('authorization', `Bearer ${token}`)
    const { response, text, body, milliseconds } = await receive({ method: 'POST', headers, body: JSON.stringify(operation), signal })
    const wanted = ownAuthorization ? undefined : wantedOf(body, response, token)
    if (wanted) {
      await otherToken(token, wanted)
      continue
    }
    demo.set(response.headers.get('X-Revox-Upstream') === 'demo')
    const ofUser = operation.operationName !== 'IntrospectionQuery'
    const advice = problemOf(body)
    // The schema may arrive after the response to a query, and must not hide the advice on that.
    if (ofUser || advice || problem.get() === unreachable) problem.set(advice)
    if (ofUser) {
      exchange.set({
        status: response.status,
        milliseconds,
        bytes: new Blob([text]).size,
        age: response.headers.get('Age') ?? undefined,
        cost: body?.extensions?.cost,
        stale: body?.extensions?.stale !== undefined,
      })
    }
    const { status, statusText } = response
    return new Response(wantsCost ? text : withoutCost(text, body), { status, statusText, headers: response.headers })
  }
}

/** Returns what is wrong with a token, or with a key for Revox; undefined if it is accepted. */
export async function tryToken(token: string, kind: Kind): Promise<string | undefined> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const response = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify({ query: tryingQuery(kind) }) })
  return wantedOf(parse(await response.text()), response, token)?.problem
}

function wantedOf(body: GraphQLResponse | undefined, { headers }: Response, token: string) {
  const error = body?.errors?.[0]
  return error && wantedAfter(error, headers, token)
}

async function receive(init: RequestInit) {
  const start = performance.now()
  try {
    const response = await fetch(endpoint, init)
    const text = await response.text()
    return { response, text, body: parse(text), milliseconds: Math.round(performance.now() - start) }
  } catch (error) {
    if (!init.signal?.aborted) problem.set(unreachable) // It is aborted if the user has stopped the query.
    throw error
  }
}

function parse(text: string): GraphQLResponse | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // GraphiQL shows the response as it is.
  }
}

/** The response as the gateway sends it to clients that do not ask for the cost. */
function withoutCost(text: string, body?: GraphQLResponse): string {
  if (!body?.extensions?.cost) return text
  const { cost, ...extensions } = body.extensions
  const { extensions: _, ...rest } = body
  return JSON.stringify(Object.keys(extensions).length > 0 ? { ...rest, extensions } : rest)
}
