// The intended differences from graphql-js. The test fails if no chosen request shows one of them any more.

/**
 * `why` is why the gateway differs, and `where` for which requests. `major` is the only major version of graphql-js
 * from which it differs; without it, the gateway differs from all.
 *
 * @type {{why: string, major?: number, where: (request: object, difference: object, oracle: object, gateway: object)
 *   => boolean}[]}
 */
export const known = [
  {
    why: 'Columns count characters; graphql-js counts those beyond U+FFFF twice.',
    where: ({ query }, { kind }) => kind === 'locations' && /[\u{10000}-\u{10ffff}]/u.test(query),
  },
  {
    why: 'gqlparser reports one location of a validation error, graphql-js all of them.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'validation' &&
      elsewhere(gateway.errors, errors).length === 0 &&
      (gateway.errors.length >= maxErrors || elsewhere(errors, gateway.errors).length === 0),
  },
  {
    why:
      'gqlparser reports the location of the whole, graphql-js that of the part: the field or directive of an ' +
      'unknown argument, the field of a needless selection, the spread of an unknown fragment, the fragment or the ' +
      'variable of a wrong type, the operation or fragment whose name comes twice.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'validation' &&
      elsewhere(gateway.errors, errors, ofTheWhole).length === 0 &&
      (gateway.errors.length >= maxErrors || elsewhere(errors, gateway.errors, ofTheWhole).length === 0),
  },
  {
    why:
      'A cycle of fragments is reported alone, fields of one name are not compared below a field that does not exist, ' +
      'and nearer to the root where both are, ' +
      'and a fragment that is used by an unused one counts as used.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'validation' &&
      elsewhere(gateway.errors, errors, ofTheWhole).every(({ message }) => /conflict because/.test(message)) &&
      (/spreads itself/.test(gateway.errors[0].message) ||
        elsewhere(errors, gateway.errors, ofTheWhole).every(({ message }) =>
          /conflict because|is never used/.test(message),
        )),
  },
  {
    why:
      'Where the type of a fragment or a variable is wrong, a value has a selection, two fragments have one name, or ' +
      'the schema has no such operations, gqlparser still checks what depends on it, and reports other errors.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'validation' &&
      [...errors, ...gateway.errors].some(({ message }) => consequential.test(message)) &&
      gateway.errors.some(({ locations }) => locations?.some(({ line }) => linesOf(errors).has(line))),
  },
  {
    why: 'The gateway rejects a document without an operation as such; the error has no location.',
    where: (_, { kind }, { verdict }, gateway) =>
      kind === 'locations' && verdict === 'validation' && /has no operation/.test(gateway.errors[0]?.message),
  },
  {
    why: 'graphql-js 17 reports the location of the element of a list, and not of the list.',
    major: 17,
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'executed' &&
      / at \[/.test(errors[0]?.message) &&
      gateway.errors.every(({ locations }) => locations?.length > 0),
  },
  {
    why:
      'If a variable without a value makes something null that must not be null, the gateway reports the error for ' +
      'the field of `Query`, which is null; also if graphql-js does not get there, as a field above is null or empty.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      ['paths', 'data', 'locations'].includes(kind) &&
      verdict === 'executed' &&
      gateway.errors.some(({ message }) => /must not be null/.test(message)) &&
      errors.every(({ path }) => gateway.data === null || gateway.errors.some((one) => one.path[0] === path[0])),
  },
  {
    why: 'A document with definitions of types is a syntax error: the parser is one for executable documents.',
    where: ({ query }, { kind }, { verdict, errors }, gateway) =>
      kind === 'verdict' &&
      verdict === 'validation' &&
      gateway.verdict === 'parse' &&
      errors.some(({ message }) => message.endsWith('definition is not executable.')),
  },
  {
    why:
      'The gateway rejects a document with an operation of a kind that the schema does not have. graphql-js responds ' +
      'with null and an error if that operation is chosen.',
    where: (_, { kind }, { verdict }, gateway) =>
      ['verdict', 'locations'].includes(kind) &&
      ['executed', 'operation'].includes(verdict) &&
      gateway.errors.some(({ message }) => /does not support operation type/.test(message)),
  },
  {
    why: 'A request without a document is no GraphQL request: GraphQL over HTTP requires `query`.',
    where: ({ query }, { kind }) => kind === 'verdict' && query === '',
  },
  {
    why: 'The gateway ignores an empty operationName, which some clients send.',
    where: ({ operationName }, { kind }, { verdict }) =>
      ['verdict', 'locations'].includes(kind) && operationName === '' && verdict === 'operation',
  },
  {
    why: 'The gateway rejects JSON with two members of one name (RFC 8259 leaves open what it means).',
    where: ({ variables }, { kind }, _, { status }) => kind === 'verdict' && status === 400 && hasDuplicates(variables),
  },
  {
    why:
      'Control characters other than tab and line ends are no source characters (specification of October 2021,' +
      ' 2.1.1).',
    where: ({ query }, { kind }, _, gateway) =>
      ['verdict', 'locations'].includes(kind) &&
      gateway.verdict === 'parse' &&
      /[\0-\x08\x0b\x0c\x0e-\x1f]/.test(query),
  },
  {
    why: 'The location of a syntax error within a string or a number may differ by up to two columns.',
    where: (_, { kind }, { verdict, errors }, gateway) => {
      const [right, said] = [errors[0], gateway.errors[0]].map((error) => error?.locations?.[0])
      return (
        kind === 'locations' &&
        verdict === 'parse' &&
        said &&
        right.line === said.line &&
        Math.abs(right.column - said.column) <= 2
      )
    },
  },
  {
    why: 'A text before what is no definition: graphql-js reports where the text is, the gateway where the rest is.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'parse' &&
      gateway.verdict === 'parse' &&
      /^Syntax Error: Unexpected description/.test(errors[0].message),
  },
  {
    why:
      'Arguments of directives on variable definitions may not be variables: gqlparser parses them and ' +
      'validation rejects the directive.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'verdict' &&
      verdict === 'parse' &&
      gateway.verdict === 'refused' &&
      /Unexpected variable .* in constant value/.test(errors[0].message),
  },
  {
    why: 'graphql-js 17 accepts empty selection sets, which the specification does not have.',
    major: 17,
    where: ({ query }, { kind }, _, gateway) =>
      ['verdict', 'locations'].includes(kind) &&
      gateway.verdict === 'parse' &&
      /\{(\s|,|#[^\r\n]*[\r\n])*\}/.test(query),
  },
  {
    why:
      'graphql-js 17 follows a draft in which arguments of introspection, and the reason of @deprecated, are ' +
      'not nullable.',
    major: 17,
    where: ({ query }, { kind }) =>
      ['data', 'verdict', 'locations'].includes(kind) && /includeDeprecated|directives|__type/.test(query),
  },
]

/** The greatest number of errors that the gateway reports for a document. */
const maxErrors = 20

/** The messages of errors for which gqlparser reports other locations. */
const ofTheWhole = new RegExp(
  [
    '^Unknown (argument|type|fragment) ',
    'must not have a selection since',
    'cannot condition on non composite type',
    '^There can be only one (operation|fragment|variable) named',
    'is never used',
  ].join('|'),
)

/** The messages of errors that cause further errors. */
const consequential = new RegExp(
  [
    '^Unknown type ',
    'non composite type|non-input type',
    'must not have a selection since',
    '^There can be only one fragment named',
    'does not support operation type',
  ].join('|'),
)

/** Returns the errors that have no location in common with the others, except those whose message matches `but`. */
function elsewhere(errors, others, but = /^$/) {
  const place = ({ line, column }) => `${line}:${column}`
  const places = new Set(others.flatMap(({ locations }) => locations?.map(place) ?? []))
  return errors.filter(
    ({ message, locations }) => !but.test(message) && !locations?.some((one) => places.has(place(one))),
  )
}

const linesOf = (errors) => new Set(errors.flatMap(({ locations }) => locations?.map(({ line }) => line) ?? []))

/** Reports whether the text of a JSON object without nested objects has two members of one name. */
function hasDuplicates(text = '') {
  const names = [...text.matchAll(/"([^"]*)":/g)].map(([, name]) => name)
  return new Set(names).size < names.length
}
