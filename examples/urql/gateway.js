/** The gateway, which is that of `make run` by default, and the token that it requires, if it requires one. */
export const { GATEWAY_URL: url = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN: token } = process.env

export const headers = token ? { authorization: `Bearer ${token}` } : {}

/** What went wrong, in one sentence. */
export function explain({ graphQLErrors, networkError }) {
  const [first] = graphQLErrors ?? []
  if (first) return `${first.message} (${first.extensions.code})`
  if (networkError?.message === 'fetch failed') return `There is no gateway at ${url}.`
  return `There is no GraphQL at ${url}: GATEWAY_URL must be the whole address, with /graphql.`
}
