/** What to tell the reader of an answer, beside what the answer says; undefined if it needs no word. */
export async function troubleIn(response: Response): Promise<string | undefined> {
  const error = await firstError(response)
  const { code, retryAfter } = error?.extensions ?? {}
  const when = retryAfter ? `in ${retryAfter} s` : 'in a moment'
  switch (code) {
    case 'UNAUTHENTICATED':
      return 'This gateway wants a token. Put it in Headers, below the query, as the comment there shows.'
    case 'UPSTREAM_UNAUTHENTICATED':
      return "Revox refuses this gateway's own key. Whoever runs the gateway must mend that, not you."
    case 'FORBIDDEN':
      return 'Revox does not let this key list calls. Try another.'
    case 'UPSTREAM_RATE_LIMITED':
      return `Revox takes no more requests for now. Run it again ${when}.`
    case 'UPSTREAM_TIMEOUT':
    case 'UPSTREAM_UNAVAILABLE':
    case 'UPSTREAM_INVALID_RESPONSE':
      return `Revox has trouble, not your query. Run it again ${when}.`
    case 'OVERLOADED':
      return `The gateway has too much to do. Run it again ${when}.`
    case 'PERSISTED_QUERY_REQUIRED':
      return 'This gateway runs only the documents that it was given, and none from here.'
  }
}

/** What to say when there was no answer. */
export const unreachable = 'The gateway cannot be reached. Is it still running?'

type GraphQLError = { extensions?: { code?: string; retryAfter?: number } }

async function firstError(response: Response): Promise<GraphQLError | undefined> {
  try {
    const { errors } = await response.clone().json()
    return errors?.[0]
  } catch {
    return undefined // GraphiQL shows what it is
  }
}
