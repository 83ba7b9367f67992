/** The gateway, which is that of `make run` by default, and the token that it requires, if it requires one. */
export const { GATEWAY_URL: url = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN: token } = process.env

export const headers = token ? { authorization: `Bearer ${token}` } : {}

/** Sends an operation and returns its data. Any error is one sentence: thrown, or printed if only a part is missing. */
export async function request(query, variables, to = url) {
  const response = await fetch(to, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  }).catch(() => {
    throw new Error(`There is no gateway at ${to}.`)
  })
  const { data, errors = [] } = await response.json().catch(() => {
    throw new Error(`There is no GraphQL at ${to}: GATEWAY_URL must be the whole address, with /graphql.`)
  })
  for (const { message, path, extensions } of errors) {
    const sentence = `${message} (${extensions.code})`
    // A root field that failed is null. Otherwise, as with one unreadable call, the rest of the data is there.
    if (!path || data?.[path[0]] == null) throw new Error(sentence)
    console.warn(sentence)
  }
  return data
}
