import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, ServerError, ServerParseError } from '@apollo/client'
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries'
import { relayStylePagination } from '@apollo/client/utilities'
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists'

/** Sends a query's hash by GET, which HTTP caches understand, and the query itself only where the gateway does not know it. */
export const automaticQueries = () => new PersistedQueryLink({ sha256, useGETForHashedQueries: true })

/** Sends the ids of a manifest of trusted documents, and never a query. */
export const trustedQueries = (manifest) =>
  new PersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest: async () => manifest }))

/** An Apollo Client whose list of calls grows with each page. Lists of other `statuses` or another `filter` are other lists. */
export function newClient(url, { headers } = {}, ...links) {
  return new ApolloClient({
    link: ApolloLink.from([...links, new HttpLink({ uri: url, headers })]),
    cache: new InMemoryCache({
      typePolicies: { Query: { fields: { calls: relayStylePagination(['statuses', 'filter']) } } },
    }),
  })
}

/** What to tell a user about a failure. Codes are for programs, and stay; messages are for people, and may change. */
export function explain(error) {
  if (ServerError.is(error) || ServerParseError.is(error)) return 'There is no GraphQL at this address: it must be the whole one, with /graphql.'
  if (!CombinedGraphQLErrors.is(error)) return 'The gateway cannot be reached.'
  const { code, retryAfter } = error.errors[0].extensions
  switch (code) {
    case 'INVALID_CURSOR':
    case 'CURSOR_EXPIRED':
      return 'The list has changed too much. Start again at its top.'
    case 'UNAUTHENTICATED':
      return 'The gateway requires a token that it knows.'
    case 'UPSTREAM_UNAUTHENTICATED':
      return "Revox rejects the gateway's key, which its operator must replace."
    case 'OVERLOADED':
    case 'UPSTREAM_RATE_LIMITED':
    case 'UPSTREAM_UNAVAILABLE':
      return `There are too many requests, or Revox fails. Try again in ${retryAfter ?? 5} seconds.`
    default:
      return `${error.errors[0].message} (${code})`
  }
}

async function sha256(text) {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
