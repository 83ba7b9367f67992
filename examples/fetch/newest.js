/** The newest calls, with nothing but `fetch`. */
export async function newestCalls(url, first) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'query Newest($first: Int) { calls(first: $first) { nodes { id status phoneNumber } } }', variables: { first } }),
  })
  const { data, errors } = await response.json()
  if (!data?.calls) throw new Error(`${errors[0].extensions.code}: ${errors[0].message}`)
  return data.calls.nodes
}
