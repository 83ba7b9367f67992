/** The advice to show with a response; undefined if the response needs none. */
export async function problemIn(response: Response): Promise<string | undefined> {
  const error = await firstError(response)
  const { code, retryAfter } = error?.extensions ?? {}
  const when = retryAfter ? `in ${retryAfter} s` : 'in a moment'
  switch (code) {
    case 'UNAUTHENTICATED':
      return 'This gateway requires a token. Enter it in Headers, below the query, as the comment there shows.'
    case 'UPSTREAM_UNAUTHENTICATED':
      return "Revox rejects the gateway's own key. The operator of the gateway must replace the key; you cannot."
    case 'FORBIDDEN':
      return 'Revox does not let this key list calls. Try another key.'
    case 'UPSTREAM_RATE_LIMITED':
      return `Revox limits the number of requests. Run the query again ${when}.`
    case 'UPSTREAM_TIMEOUT':
    case 'UPSTREAM_UNAVAILABLE':
    case 'UPSTREAM_INVALID_RESPONSE':
      return `Revox fails; your query is fine. Run it again ${when}.`
    case 'OVERLOADED':
      return `The gateway is overloaded. Run the query again ${when}.`
    case 'PERSISTED_QUERY_REQUIRED':
      return 'This gateway runs trusted documents only, and no queries from this page.'
  }
}

/** The advice to show without a response. */
export const unreachable = 'The gateway cannot be reached. Is it still running?'

type GraphQLError = { extensions?: { code?: string; retryAfter?: number } }

async function firstError(response: Response): Promise<GraphQLError | undefined> {
  try {
    const { errors } = await response.clone().json()
    return errors?.[0]
  } catch {
    return undefined // GraphiQL shows the response as it is
  }
}
