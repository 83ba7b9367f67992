import { Environment, Network, RecordSource, Store } from 'relay-runtime'

/** A Relay environment whose network is the gateway at this address. */
export function newEnvironment(url) {
  return new Environment({
    network: Network.create((request, variables) => ask(url, request, variables)),
    store: new Store(new RecordSource()),
  })
}

async function ask(url, { id, text }, variables) {
  // With `persistConfig` the compiler leaves out the text, and gives each operation an id.
  const operation = id ? { documentId: id } : { query: text }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ ...operation, variables }),
  })
  const answer = await response.json()
  // A root field that failed is null, which would show as an empty list.
  const failure = answer.errors?.find(({ path }) => !path || answer.data[path[0]] === null)
  if (failure) throw Object.assign(new Error(failure.message), { code: failure.extensions.code })
  return answer
}
