// Introspection of the endpoint equals schema.graphqls, as graphql-js reads both.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, describe, it } from 'node:test'
import * as graphql16 from 'graphql'
import { startGateway } from './gateway.mjs'

const file = readFileSync(new URL('../../schema.graphqls', import.meta.url), 'utf8')
const graphql17 = createRequire(new URL('graphql-17/package.json', import.meta.url))('graphql')

/**
 * All options of the introspection query. Deprecation of directives is part of a draft that the gateway does not support.
 */
const everything = {
  descriptions: true,
  experimentalDirectiveDeprecation: false,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  inputValueDeprecation: true,
  oneOf: true,
}

/**
 * The types of introspection itself, and the directives, that graphql-js has from a later draft. The gateway has those
 * of September 2025. Only introspection of introspection shows the difference.
 */
const drafts = {
  // deprecation of directives
  16: ['__Directive', '__Schema'],
  // also arguments that are not nullable
  17: ['@deprecated', '__Directive', '__DirectiveLocation', '__Field', '__Schema', '__Type'],
}

for (const graphql of [graphql16, graphql17]) {
  describe(`Introspection, by graphql-js ${graphql.version}`, () => {
    let gateway, endpoint
    before(async () => {
      gateway = await startGateway()
      endpoint = await gateway.query(graphql.getIntrospectionQuery(everything))
    })
    after(() => gateway?.stop())

    const built = graphql.buildSchema(file)
    const print = (schema) => graphql.printSchema(graphql.lexicographicSortSchema(schema))

    it('prints the same schema as the file', () => {
      const schema = graphql.buildClientSchema(endpoint)
      assert.deepEqual(graphql.validateSchema(schema), [])
      assert.equal(print(schema), print(built))
    })

    it('describes every type, field, argument and value in the same way', () => {
      const [said, right] = [endpoint, graphql.introspectionFromSchema(built, everything)].map((answer) =>
        comparable(graphql, answer),
      )
      assert.deepEqual(Object.keys(said), Object.keys(right))
      const draft = drafts[graphql.versionInfo.major]
      for (const name of Object.keys(right)) {
        if (draft.includes(name))
          assert.notEqual(said[name], right[name], `${name} is as in the draft: take it off the list`)
        else assert.equal(said[name], right[name])
      }
    })
  })
}

/**
 * Returns an introspection as one text for each type and directive, and one for the rest. It leaves out the
 * descriptions of directives and of GraphQL's own types, which each implementation words differently.
 */
function comparable(graphql, { __schema: { types, directives, ...rest } }) {
  const own = new Set(graphql.specifiedScalarTypes.map(({ name }) => name))
  const wordless = (value) =>
    JSON.parse(JSON.stringify(value, (name, member) => (name === 'description' ? undefined : member)))
  const described = new Map([['schema', rest]])
  for (const type of types)
    described.set(type.name, own.has(type.name) || type.name.startsWith('__') ? wordless(type) : type)
  for (const directive of directives) described.set(`@${directive.name}`, wordless(directive))
  const names = [...described.keys()].sort()
  return Object.fromEntries(names.map((name) => [name, JSON.stringify(described.get(name), sorted)]))
}

/** A replacer for JSON.stringify that sorts members, whose order has no meaning. */
const sorted = (_, value) =>
  value && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value
