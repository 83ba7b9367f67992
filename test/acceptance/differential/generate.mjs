// Random requests for a schema, valid and invalid ones: the same seed makes the same request in every version of Node.

/**
 * @param {typeof import('graphql')} graphql
 * @param {import('graphql').GraphQLSchema} schema
 * @param {{ids: string[], cursors: string[]}} samples values for arguments that take ids or cursors
 * @returns {(seed: number) => {query: string, variables?: string, operationName?: string}} variables as JSON text
 */
export function newGenerator(graphql, schema, samples) {
  return (seed) => new Writer(graphql, schema, samples, seed).request()
}

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const texts = [
  '',
  'hello',
  'GOODBYE',
  'é',
  '👋',
  'a"b',
  '\\',
  '\n',
  '\u0000',
  '\u2028',
  'completed',
  '1',
  '#',
  '\ufeff',
  '  x\n   y\n',
]
const oddNumbers = [
  '-1',
  '0',
  '-0',
  '101',
  '2147483647',
  '2147483648',
  '-2147483649',
  '1.5',
  '2.0',
  '1e1',
  '1E-1',
  '9007199254740993',
  '1e400',
  '0.1e1',
]

const typeNames = ['"Call"', '"Node"', '"CallStatus"', '"Nobody"', '"JSON"', '"__Type"']
const wrongDirectives = [
  '@nope',
  '@include',
  '@skip(if:true) @skip(if:true)',
  '@include(iff:true)',
  '@include(if:"true")',
  '@include(if:null)',
  '@deprecated',
  '@defer',
  '@specifiedBy(url:"x")',
  '@skip(if:$missing)',
]

class Writer {
  constructor(graphql, schema, samples, seed) {
    Object.assign(this, { graphql, schema, samples, state: seed })
    for (let i = 0; i < 4; i++) this.random() // the first numbers of neighbouring seeds are similar
    this.mistakes = this.pick([0, 0, 0, 0.02, 0.02, 0.1]) // how likely each choice is wrong
    this.wrongValues = this.pick([0, 0, 0, 0.15]) // how likely each value of a variable is wrong
    this.variables = new Map() // by name: the type as text, the default as text, the value as JSON text
    this.aliases = 0
    this.requiredBoolean = new graphql.GraphQLNonNull(graphql.GraphQLBoolean)
    this.fragments = []
    this.fragmentCount = this.upTo(3)
  }

  // mulberry32
  random() {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  upTo(most) {
    return Math.floor(this.random() * (most + 1))
  }
  chance(probability) {
    return this.random() < probability
  }
  pick(list) {
    return list[this.upTo(list.length - 1)]
  }
  wrong() {
    return this.mistakes > 0 && this.chance(this.mistakes)
  }

  request() {
    for (let i = 0; i < this.fragmentCount; i++)
      this.fragments.push({
        name: `F${i}`,
        on: this.pick(['Query', 'Call', 'Call', 'Node', 'CallConnection', 'CallEdge', 'PageInfo', 'TranscriptEntry']),
      })
    const selection = this.selections(this.schema.getQueryType(), 0, 0)
    const fragments = this.fragments.map(({ name, on, used }, i) => {
      if (!used && !this.wrong()) return ''
      const condition = this.wrong() ? this.pick(['Int', 'JSON', 'Nobody', 'CallStatus', 'Query']) : on
      const selection = this.selections(this.schema.getType(on), 2, i + 1)
      return `fragment ${name} on ${condition}${this.directives(i + 1)} ${selection}`
    })
    const head = this.head()
    const parts = [head + this.directives(0, true) + selection, ...fragments].filter(Boolean)
    if (this.chance(0.1)) parts.reverse()
    if (this.wrong())
      parts.push(
        this.pick([
          'query Other { __typename }',
          '{ __typename }',
          'mutation { a }',
          'subscription S { a }',
          'fragment F0 on Call { id }',
          'type T { a: Int }',
          '}',
          'query Q { __typename }',
        ]),
      )
    const request = { query: this.noise(parts.join(this.pick([' ', '\n', '\r\n', '\r', '\n\n', '\n# end\n', ',']))) }
    const values = [...this.variables]
      .filter(([, { value }]) => value !== undefined)
      .map(([name, { value }]) => `${JSON.stringify(name)}:${value}`)
    if (this.chance(0.05)) values.push('"unknown":1')
    if (values.length > 0 || this.chance(0.1)) request.variables = `{${values}}`
    if (head.startsWith('query Q') && this.chance(0.3)) request.operationName = 'Q'
    if (this.wrong()) request.operationName = this.pick(['R', '', 'Q'])
    return request
  }

  head() {
    const definitions = [...this.variables].map(
      ([name, { type, standard }]) =>
        `$${name}:${this.pick(['', ' '])}${type}${standard === undefined ? '' : `=${standard}`}`,
    )
    if (this.wrong())
      definitions.push(
        this.pick([
          '$unused: Int',
          '$bad: Nobody',
          '$object: Call',
          '$a: Int',
          '$d: Int = $a',
          '$n: Int! = null',
          '$s: String = 1',
        ]),
      )
    const name = this.chance(0.5) ? ' Q' : ''
    if (definitions.length === 0) return this.chance(0.5) ? '' : `query${name}`
    return `query${name}(${definitions.join(this.pick([',', ' ', '\n', ', ', '\r\n']))})`
  }

  selections(type, depth, after) {
    const all = type && this.graphql.isCompositeType(type) ? Object.values(type.getFields()) : []
    const root = type === this.schema.getQueryType()
    const fields = root ? all.filter(({ name }) => this.samples.rootFields.includes(name)) : all
    const chosen = []
    for (let n = 1 + this.upTo(3); n > 0; n--) {
      const kind = this.random()
      if (kind < 0.1) chosen.push(this.alias('__typename'))
      else if (kind < 0.2) chosen.push(this.inline(type, depth, after))
      else if (kind < 0.35) chosen.push(this.spread(type, after))
      else if (type === this.schema.getQueryType() && kind < 0.4) chosen.push(this.introspection())
      else chosen.push(this.field(type, fields, depth, after))
    }
    const some = chosen.filter(Boolean)
    if (this.wrong() && this.chance(0.2)) some.length = 0
    else if (some.length === 0) some.push('__typename')
    const separator = this.pick([' ', '\n', ', ', '\r\n  ', ' # one\n', '\r'])
    return `{${this.pick(['', ' ', '\n'])}${some.join(separator)}${this.pick(['', ' ', '\n'])}}`
  }

  alias(field) {
    return this.chance(0.15) ? `${this.pick(names)}:${this.pick(['', ' '])}${field}` : field
  }

  field(type, fields, depth, after) {
    const { isCompositeType, getNamedType } = this.graphql
    let field = fields.length > 0 ? this.pick(fields) : undefined
    if (depth > 4) field = fields.find((one) => !isCompositeType(getNamedType(one.type)))
    if (!field) return '__typename'
    const named = getNamedType(field.type)
    const name = this.wrong() ? this.pick(['nope', 'ids', 'Id', '__schema', '__nope']) : field.name
    const args = this.args(field.args)
    // Fields with arguments would conflict most of the time without an alias of their own.
    const aliased = args && this.chance(0.9) ? `${this.pick(names)}${this.aliases++}:${name}` : this.alias(name)
    let text = aliased + args + this.directives(after)
    if (isCompositeType(named) !== this.wrong()) text += ' ' + this.selections(named, depth + 1, after)
    return text
  }

  inline(type, depth, after) {
    if (depth > 5) return ''
    const on = this.wrong()
      ? this.pick(['Query', 'Call', 'Nobody', 'Int', 'PageInfo'])
      : this.pick(['', type?.name, type?.name === 'Node' ? 'Call' : type?.name === 'Call' ? 'Node' : ''])
    const inner = on === 'Call' || on === 'Node' ? this.schema.getType(on) : type
    return `...${on ? ` on ${on}` : ''}${this.directives(after)} ${this.selections(inner, depth + 1, after)}`
  }

  spread(type, after) {
    if (this.wrong()) return this.pick(['...Missing', '...F0', '...F1', '... on'])
    const overlaps = (on) =>
      on === type?.name || (['Call', 'Node'].includes(on) && ['Call', 'Node'].includes(type?.name))
    const usable = this.fragments.filter(({ on }, i) => i >= after && overlaps(on)) // later ones only: no cycles
    if (usable.length === 0) return ''
    const fragment = this.pick(usable)
    fragment.used = true
    return `...${fragment.name}${this.directives(after)}`
  }

  introspection() {
    return this.alias(
      this.pick([
        '__schema{queryType{name kind} mutationType{name} subscriptionType{name}}',
        '__schema{types{name kind}}',
        '__schema{directives{name isRepeatable args{name type{name kind ofType{name}}}}}',
        `__type(name:${this.literal(this.graphql.GraphQLString, typeNames)}){name kind specifiedByURL isOneOf` +
          ` fields(includeDeprecated:${this.literal(this.graphql.GraphQLBoolean)}){name isDeprecated` +
          ' deprecationReason args{name defaultValue} type{kind name ofType{kind name ofType{name}}}}}',
        '__type(name:"CallStatus"){enumValues{name isDeprecated deprecationReason}fields{name}inputFields{name}' +
          'interfaces{name}possibleTypes{name}ofType{name}}',
        '__type(name:"Node"){interfaces{name}possibleTypes{name}enumValues{name}inputFields{name}}',
        '__type(name:"Call"){interfaces{name fields{name}}possibleTypes{name}enumValues{name}}',
      ]),
    )
  }

  directives(after, misplaced = false) {
    let text = ''
    if (!misplaced && this.chance(0.12))
      text += ` @${this.pick(['include', 'skip'])}(if:${this.argument(this.requiredBoolean)})`
    if (this.wrong()) text += ` ${this.pick(wrongDirectives)}`
    return text
  }

  args(args) {
    const { isRequiredArgument } = this.graphql
    const given = args
      .filter((arg) => isRequiredArgument(arg) !== this.wrong() || this.chance(0.35))
      .filter((arg) => !['last', 'before'].includes(arg.name) || this.chance(0.4))
      .map(
        (arg) =>
          (this.wrong() ? this.pick(['nope', 'frist', 'First']) : arg.name) +
          this.pick([':', ': ']) +
          this.argument(arg.type, this.samplesFor(arg)),
      )
    if (given.length > 0 && this.wrong()) given.push(this.pick(given))
    if (this.chance(0.2)) given.reverse()
    return given.length > 0
      ? `(${given.join(this.pick([',', ' ', '\n', ', ']))})`
      : this.wrong() && this.chance(0.1)
        ? '()'
        : ''
  }

  samplesFor({ name }) {
    const quoted = (list) => list.map((text) => JSON.stringify(text))
    if (name === 'id' || name === 'ids') return [...quoted(this.samples.ids), '7', '"none"']
    if (name === 'after' || name === 'before') return [...quoted(this.samples.cursors), '""', '"no cursor"']
    if (name === 'keys') return quoted(['nps', 'note', 'nested', 'none'])
    if (name === 'first' || name === 'last') return ['0', '1', '2', '3', '5', '20', '100']
    return undefined
  }

  /** A value for an argument: a literal or a variable, which may be one that exists already. */
  argument(type, samples) {
    if (this.chance(0.6)) return this.literal(type, samples)
    if (this.wrong()) return '$missing'
    const { isNonNullType } = this.graphql
    let declared = String(type)
    if (!isNonNullType(type) && this.chance(0.3)) declared += '!'
    if (isNonNullType(type) && this.chance(0.15)) declared = declared.slice(0, -1) // valid only with a default
    if (declared.startsWith('[') && this.chance(0.1)) declared = declared.replace('!]', ']')
    if (this.wrong())
      declared = this.pick([
        'Int',
        'String!',
        '[Int]',
        'ID',
        'Boolean',
        'CallStatus',
        'JSON',
        '[[Int]]',
        'Nobody',
        'Float',
      ])
    const existing = [...this.variables].filter(([, variable]) => variable.type === declared)
    if (existing.length > 0 && this.chance(0.3)) return `$${this.pick(existing)[0]}`
    const name = `${this.pick(names)}${this.variables.size}`
    const variable = { type: declared }
    this.variables.set(name, variable)
    if (this.chance(declared.endsWith('!') ? 0.15 : 0.35)) variable.standard = this.literal(type, samples, true)
    if (this.chance(declared.endsWith('!') && variable.standard === undefined && !this.wrong() ? 1 : 0.7))
      variable.value = this.json(type, samples)
    return `$${name}`
  }

  /** A value as GraphQL text; constant ones have no variables. */
  literal(type, samples, constant = false) {
    const { isNonNullType, isListType, isEnumType } = this.graphql
    if (this.wrong())
      return this.pick([
        'null',
        '"2"',
        'true',
        'NOPE',
        '[]',
        '[[1]]',
        '{}',
        '{a: 1}',
        '1',
        '1.5',
        '"""x"""',
        '[null]',
        ...oddNumbers,
        constant ? '$a' : '1',
      ])
    if (isNonNullType(type)) return this.literal(type.ofType, samples, constant)
    if (this.chance(0.08) && !this.nonNull) return 'null'
    if (isListType(type)) {
      if (this.chance(0.2)) return this.literal(type.ofType, samples, constant)
      const element = () =>
        !constant && this.chance(0.1)
          ? this.argument(type.ofType, samples)
          : this.literal(type.ofType, samples, constant)
      return `[${Array.from({ length: this.upTo(3) }, element).join(this.pick([', ', ' ', '\n']))}]`
    }
    if (samples) return this.pick(samples)
    if (isEnumType(type)) return this.pick(type.getValues()).name
    if (type.name === 'Boolean') return this.pick(['true', 'false'])
    if (type.name === 'Int') return this.chance(0.2) ? this.pick(oddNumbers) : String(this.upTo(5))
    return this.string(this.pick(texts))
  }

  string(text) {
    if (this.chance(0.25) && !/[\0\\]/.test(text))
      return `"""${this.pick(['', '\n  ', ' '])}${text.replaceAll('"""', '\\"""')}${text.endsWith('"') ? '\n' : ''}"""`
    if (this.chance(0.2)) return `"${[...text].map((c) => `\\u{${c.codePointAt(0).toString(16)}}`).join('')}"`
    if (this.chance(0.1))
      return `"${text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`
    return JSON.stringify(text)
  }

  /** A value as JSON text. */
  json(type, samples) {
    const { isNonNullType, isListType, isEnumType } = this.graphql
    if (this.wrong() || this.chance(this.wrongValues))
      return this.pick([
        'null',
        '"2"',
        'true',
        '"NOPE"',
        '[]',
        '[[1]]',
        '{}',
        '{"a":1}',
        '1',
        '1.5',
        '[null]',
        '"completed"',
        '""',
        ...oddNumbers,
      ])
    if (isNonNullType(type)) return this.json(type.ofType, samples)
    if (this.chance(0.1)) return 'null'
    if (isListType(type))
      return this.chance(0.2)
        ? this.json(type.ofType, samples)
        : `[${Array.from({ length: this.upTo(3) }, () => this.json(type.ofType, samples))}]`
    if (samples) return this.pick(samples)
    if (isEnumType(type)) return JSON.stringify(this.pick(type.getValues()).name)
    if (type.name === 'Boolean') return this.pick(['true', 'false'])
    if (type.name === 'Int') return this.chance(0.3) ? this.pick(oddNumbers) : String(this.upTo(5))
    return JSON.stringify(this.pick(texts))
  }

  /** Adds characters around the document that GraphQL ignores, or damages it. */
  noise(text) {
    if (this.chance(0.05)) text = '\ufeff' + text
    if (this.chance(0.1)) text = this.pick(['\n', '\r\n', '# first\n', '# first\r', ' ,,\t', '\r\n\r\n\t']) + text
    if (this.chance(0.1)) text += this.pick(['\n', '\r\n', ' # last', ',', '\t'])
    if (this.wrong()) {
      const at = this.upTo(text.length)
      const inserted = this.pick([
        '',
        '"',
        '{',
        '}',
        '(',
        '$',
        '\u0000',
        '\u0001',
        '?',
        'é',
        '@',
        '...',
        '"""',
        '\ufeff',
        '01',
        '1x',
        '-',
        '.',
        '&',
        '\\',
        '\r',
        '👋',
        '!',
        ':',
        '|',
      ])
      text = text.slice(0, at) + inserted + text.slice(at + (inserted ? 0 : 1))
    }
    return text
  }
}
