/** The gateway, which is that of `make run` by default, and the token that it requires, if it requires one. */
export const { GATEWAY_URL: url = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN: token } = process.env

export const headers = token ? { authorization: `Bearer ${token}` } : {}

/** Sends an operation and returns its data. Any error is one sentence. */
export async function request(query, variables, to = url) {
  const response = await fetch(to, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  }).catch(() => {
    throw new Error(`There is no gateway at ${to}.`)
  })
  const { data, errors } = await response.json().catch(() => {
    throw new Error(`There is no GraphQL at ${to}: GATEWAY_URL must be the whole address, with /graphql.`)
  })
  if (errors) throw new Error(`${errors[0].message} (${errors[0].extensions.code})`)
  return data
}
