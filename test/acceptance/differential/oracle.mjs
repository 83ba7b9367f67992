// graphql-js as the oracle: its responses to requests, over the resolvers of world.mjs.

/** How a request may end. Only an executed request has data. */
export const verdicts = ['parse', 'validation', 'operation', 'variables', 'executed']

/**
 * @param {typeof import('graphql')} graphql the implementation: graphql-js 16 or 17
 * @param {string} sdl
 * @param {object} root the resolvers of `Query`
 * @returns {(request: {query: string, variables?: string, operationName?: string}) => Promise<{verdict: string,
 *   data?: object,   errors: {path?: (string | number)[], locations?: {line: number, column: number}[], code?:
 *   string, message: string}[]}>}
 */
export function newOracle(graphql, sdl, root) {
  const schema = graphql.buildSchema(sdl)
  listByName(schema)
  const rules = graphql.specifiedRules

  return async ({ query, variables, operationName }) => {
    let document
    try {
      document = graphql.parse(query)
    } catch (error) {
      return reported('parse', [error])
    }
    const errors = graphql.validate(schema, document, rules)
    if (errors.length > 0) return reported('validation', errors)
    const result = await graphql.execute({
      schema,
      document,
      rootValue: root,
      variableValues: variables && JSON.parse(variables),
      operationName,
    })
    if ('data' in result) return { ...reported('executed', result.errors ?? []), data: result.data }
    return reported(
      /^Unknown operation|^Must provide/.test(result.errors[0].message) ? 'operation' : 'variables',
      result.errors,
    )
  }
}

/** graphql-js's own errors have no codes. While an operation is executed, they are about arguments. */
const reported = (verdict, errors) => ({
  verdict,
  errors: errors.map(({ message, path, locations, originalError }) => ({
    message,
    path,
    locations,
    code: originalError?.extensions?.code ?? 'BAD_USER_INPUT',
  })),
})

/** The order of types and directives in a response to introspection is free; the gateway sorts them. */
function listByName(schema) {
  const byName = (a, b) => (a < b ? -1 : 1)
  const types = Object.fromEntries(Object.entries(schema.getTypeMap()).sort(([a], [b]) => byName(a, b)))
  const directives = [...schema.getDirectives()].sort((a, b) => byName(a.name, b.name))
  schema.getTypeMap = () => types
  schema.getDirectives = () => directives
}
