/** A response of the gateway, as far as the page reads it. */
export type GraphQLResponse = {
  errors?: { path?: unknown[]; extensions?: { code?: string; retryAfter?: number } }[]
  extensions?: { cost?: { requested: number; limit: number }; stale?: number }
}

/** The advice to show with a response; undefined if the response needs none. */
export function problemOf(response?: GraphQLResponse): string | undefined {
  const { code, retryAfter } = response?.errors?.[0]?.extensions ?? {}
  const when = retryAfter ? `in ${retryAfter} s` : 'in a moment'
  switch (code) {
    case 'UNAUTHENTICATED': // The page asks for a token or key unless the user has written this header.
      return 'The Authorization header in Headers, below the query, is rejected. Without the header, the page asks for a token or key.'
    case 'UPSTREAM_UNAUTHENTICATED':
      return "Revox rejects the gateway's own key. The operator of the gateway must replace REVOX_API_KEY; your token is not the cause."
    case 'FORBIDDEN':
      return 'Revox does not let the key in Headers, below the query, list calls. Try another key.'
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
