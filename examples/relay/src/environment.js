import { Environment, Network, RecordSource, Store } from 'relay-runtime'

/** A Relay environment whose network is the gateway at this address. */
export function newEnvironment(url, headers = {}) {
  return new Environment({
    network: Network.create((request, variables) => send(url, headers, request, variables)),
    store: new Store(new RecordSource()),
  })
}

async function send(url, headers, { id, text }, variables) {
  // With `persistConfig` the compiler leaves out the text, and gives each operation an id.
  const operation = id ? { documentId: id } : { query: text }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', ...headers },
    body: JSON.stringify({ ...operation, variables }),
  }).catch(() => {
    throw new Error(`There is no gateway at ${url}.`)
  })
  const answer = await response.json().catch(() => {
    throw new Error(`There is no GraphQL at ${url}: it must be the whole address, with /graphql.`)
  })
  // A root field that failed is null, which would show as an empty list.
  const failure = answer.errors?.find(({ path }) => !path || answer.data?.[path[0]] == null)
  if (failure) throw Object.assign(new Error(`${failure.message} (${failure.extensions.code})`), { code: failure.extensions.code })
  return answer
}
