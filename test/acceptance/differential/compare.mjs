// The parts of two responses to one request that must be equal.
import { isCursor } from './world.mjs'

/**
 * The oracle's verdicts, as far as the gateway's codes distinguish them: GRAPHQL_VALIDATION_FAILED is an error in the
 * document, its operation or its variables.
 */
const coarse = {
  parse: 'parse',
  validation: 'refused',
  operation: 'refused',
  variables: 'refused',
  executed: 'executed',
}

const refusals = { GRAPHQL_PARSE_FAILED: 'parse', GRAPHQL_VALIDATION_FAILED: 'refused', BAD_USER_INPUT: 'refused' }

/** Sends a request to the gateway, and returns the response in the form of an oracle's response. */
export async function ask(url, { query, variables, operationName }) {
  const members = [`"query":${JSON.stringify(query)}`]
  if (variables !== undefined) members.push(`"variables":${variables}`)
  if (operationName !== undefined) members.push(`"operationName":${JSON.stringify(operationName)}`)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: `{${members}}`,
    signal: AbortSignal.timeout(30_000),
  })
  const text = await response.text()
  const answer = JSON.parse(text)
  const errors = (answer.errors ?? []).map(({ message, path, locations, extensions }) => ({
    message,
    path,
    locations,
    code: extensions?.code,
  }))
  const verdict = 'data' in answer ? 'executed' : (refusals[errors[0]?.code] ?? `refused by ${errors[0]?.code}`)
  // JSON.parse keeps one of two members of one name. The gateway writes JSON like JavaScript, so texts are equal.
  if (answer.data && !text.includes(JSON.stringify(answer.data)))
    throw new Error(`The data is not as it was read: ${text}`)
  return { verdict, errors, data: answer.data, status: response.status }
}

/**
 * Returns the first difference between the responses of the gateway and the oracle, as its kind and both sides;
 * undefined if there is none. Messages may differ. Cursors are opaque, so only the calls that they stand for are
 * compared.
 */
export function difference(oracle, gateway) {
  const differing = (kind, expected, actual) => {
    const [a, b] = [JSON.stringify(expected), JSON.stringify(actual)]
    return a === b ? undefined : { kind, expected: a, actual: b }
  }
  const byPath = (errors) => errors.map(({ path, code }) => `${JSON.stringify(path)} ${code}`).sort()
  const places = (errors) =>
    errors.map(({ locations }) => locations?.map(({ line, column }) => `${line}:${column}`).join() ?? 'none').sort()
  return (
    differing('verdict', coarse[oracle.verdict], gateway.verdict) ??
    differing('data', oracle.data, namingCursors(oracle.data, gateway.data, new Map())) ??
    (oracle.verdict === 'executed' ? differing('paths', byPath(oracle.errors), byPath(gateway.errors)) : undefined) ??
    (oracle.verdict === 'executed'
      ? undefined
      : differing('path of a refusal', undefined, gateway.errors.find(({ path }) => path)?.path)) ??
    differing('locations', places(oracle.errors), places(gateway.errors))
  )
}

/** Replaces cursors in the gateway's data by the oracle's names for them, if each stands for one call throughout. */
function namingCursors(expected, actual, names) {
  if (isCursor(expected))
    return typeof actual === 'string' && /^[\w-]{40,}$/.test(actual) && nameOf(names, actual, expected) === expected
      ? expected
      : actual
  if (typeof expected !== 'object' || typeof actual !== 'object' || expected === null || actual === null) return actual
  if (Array.isArray(actual)) return actual.map((element, i) => namingCursors(expected[i], element, names))
  return Object.fromEntries(
    Object.entries(actual).map(([name, value]) => [name, namingCursors(expected[name], value, names)]),
  )
}

function nameOf(names, text, name) {
  if (!names.has(text)) names.set(text, name)
  return names.get(text)
}
