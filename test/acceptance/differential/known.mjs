// The differences from graphql-js that are meant. One that no chosen request shows any more fails the test.

/**
 * Each contains why the gateway differs, and for which requests. `major` is that of the only graphql-js that it is a
 * difference from.
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
    why: 'A validation error has one place, as gqlparser tells it, where graphql-js tells all.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'validation' &&
      elsewhere(gateway.errors, errors).length === 0 &&
      (gateway.errors.length >= maxErrors || elsewhere(errors, gateway.errors).length === 0),
  },
  {
    why:
      'gqlparser tells the place of the whole where graphql-js tells that of the part: the field or directive of an ' +
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
      'the schema has no such operations, gqlparser checks what depends on it all the same and tells other errors.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'validation' &&
      [...errors, ...gateway.errors].some(({ message }) => consequential.test(message)) &&
      gateway.errors.some(({ locations }) => locations?.some(({ line }) => linesOf(errors).has(line))),
  },
  {
    why: 'A document without an operation is refused as that, and an error about what is not there has no place.',
    where: (_, { kind }, { verdict }, gateway) =>
      kind === 'locations' && verdict === 'validation' && /has no operation/.test(gateway.errors[0]?.message),
  },
  {
    why: 'graphql-js 17 tells the place of the element of a list, and not of the list.',
    major: 17,
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'executed' &&
      / at \[/.test(errors[0]?.message) &&
      gateway.errors.every(({ locations }) => locations?.length > 0),
  },
  {
    why:
      'Where a variable without a value makes null of what must not be null, the error is reported for the field of ' +
      '`Query`, which is null; also where graphql-js never comes to that, since something above it is null or empty.',
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
      'A document with an operation of a kind that the schema does not have is refused, where graphql-js answers ' +
      'with null and an error when that operation is chosen.',
    where: (_, { kind }, { verdict }, gateway) =>
      ['verdict', 'locations'].includes(kind) &&
      ['executed', 'operation'].includes(verdict) &&
      gateway.errors.some(({ message }) => /does not support operation type/.test(message)),
  },
  {
    why: 'A request without a document is no GraphQL request: GraphQL over HTTP has `query` as required.',
    where: ({ query }, { kind }) => kind === 'verdict' && query === '',
  },
  {
    why: 'An empty operationName is taken as none, as clients send it.',
    where: ({ operationName }, { kind }, { verdict }) =>
      ['verdict', 'locations'].includes(kind) && operationName === '' && verdict === 'operation',
  },
  {
    why: 'JSON with two members of one name is refused (RFC 8259 leaves open what it means).',
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
    why: 'The place of a syntax error within a string or a number may be its start, or a character away.',
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
    why: 'A text before what is no definition: graphql-js tells the place of the text, the gateway that of the rest.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'locations' &&
      verdict === 'parse' &&
      gateway.verdict === 'parse' &&
      /^Syntax Error: Unexpected description/.test(errors[0].message),
  },
  {
    why:
      'Arguments of directives on variable definitions may not be variables: gqlparser parses them and ' +
      'validation refuses the directive.',
    where: (_, { kind }, { verdict, errors }, gateway) =>
      kind === 'verdict' &&
      verdict === 'parse' &&
      gateway.verdict === 'refused' &&
      /Unexpected variable .* in constant value/.test(errors[0].message),
  },
  {
    why: 'graphql-js 17 takes empty selection sets, which the specification does not have.',
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

/** The messages of errors that have others as a consequence. */
const consequential = new RegExp(
  [
    '^Unknown type ',
    'non composite type|non-input type',
    'must not have a selection since',
    '^There can be only one fragment named',
    'does not support operation type',
  ].join('|'),
)

/** The errors that have no place in common with the others, but for those with such a message. */
function elsewhere(errors, others, but = /^$/) {
  const place = ({ line, column }) => `${line}:${column}`
  const places = new Set(others.flatMap(({ locations }) => locations?.map(place) ?? []))
  return errors.filter(
    ({ message, locations }) => !but.test(message) && !locations?.some((one) => places.has(place(one))),
  )
}

const linesOf = (errors) => new Set(errors.flatMap(({ locations }) => locations?.map(({ line }) => line) ?? []))

/** Whether an object of JSON text, with no objects in it, has two members of one name. */
function hasDuplicates(text = '') {
  const names = [...text.matchAll(/"([^"]*)":/g)].map(([, name]) => name)
  return new Set(names).size < names.length
}
