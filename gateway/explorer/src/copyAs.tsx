import { useState } from 'react'
import { ToolbarButton, ToolbarMenu, tryParseJSONC, useGraphiQL } from '@graphiql/react'
import { endpoint } from './gateway'
import { headersOf } from './headers'
import { currentToken } from './token'

export type Operation = {
  query: string
  variables?: Record<string, unknown>
  operationName?: string
}

/** Copies the query in the editors as a command for a terminal, or as a script. The token is never copied. */
export function CopyMenu() {
  const query = useGraphiQL((state) => state.queryEditor)
  const variables = useGraphiQL((state) => state.variableEditor)
  const headers = useGraphiQL((state) => state.headerEditor)
  const operationName = useGraphiQL((state) => state.operationName)
  const [label, setLabel] = useState(unused)

  async function copy(name: string, format: typeof asCurl) {
    let text
    try {
      const parsed = parse('Variables', variables?.getValue())
      const operation: Operation = { query: query?.getValue() ?? '', variables: parsed, operationName }
      text = format(endpoint, operation, copiedHeaders(parse('Request headers', headers?.getValue())))
    } catch (error) {
      return setLabel(`Not copied. ${(error as Error).message}`)
    }
    const done = await navigator.clipboard?.writeText(text).then(() => true, () => false)
    setLabel(done ? `Copied as ${name}` : 'The browser does not allow copying')
  }

  return (
    <ToolbarMenu
      button={
        <ToolbarButton label={label} onBlur={() => setLabel(unused)}>
          <svg className="graphiql-toolbar-icon" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
            <path d="M2 3.5l4.5 4.5L2 12.5M8.5 12.5H14" />
          </svg>
        </ToolbarButton>
      }
    >
      <ToolbarMenu.Item onSelect={() => copy('cURL', asCurl)}>Copy as cURL</ToolbarMenu.Item>
      <ToolbarMenu.Item onSelect={() => copy('fetch', asFetch)}>Copy as fetch</ToolbarMenu.Item>
    </ToolbarMenu>
  )
}

const unused = 'Copy as cURL or fetch'

/** The headers of a request. `Authorization` is a placeholder for a token, whoever has given the token. */
function copiedHeaders(own?: Record<string, unknown>): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  let authorized = currentToken() !== ''
  headersOf(own).forEach((value, name) => {
    if (name === 'authorization') authorized = true
    else headers[name] = value
  })
  if (authorized) headers.authorization = placeholder
  return headers
}

const placeholder = 'Bearer $GATEWAY_TOKEN'

/** A command for a POSIX shell, which replaces the placeholder by the variable. */
export function asCurl(url: string, operation: Operation, headers: Record<string, string>): string {
  const options = Object.entries(headers).map(([name, value]) =>
    value === placeholder ? `-H "${name}: ${value}"` : `-H ${quote(`${name}: ${value}`)}`,
  )
  return [`curl ${quote(url)}`, ...options, `-d ${quote(JSON.stringify(operation))}`].join(' \\\n  ')
}

const quote = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** A script for Node, and for a browser where `process.env.GATEWAY_TOKEN` is replaced. */
export function asFetch(url: string, operation: Operation, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) =>
    value === placeholder ? `${JSON.stringify(name)}: \`Bearer \${process.env.GATEWAY_TOKEN}\`` : `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  )
  const { query, ...rest } = operation
  const others = JSON.stringify(rest, null, 2).slice(1, -1).trim().replaceAll('\n', '\n  ')
  const template = query.replaceAll(/[\\`]|\$\{/g, String.raw`\$&`)
  return `const response = await fetch(${JSON.stringify(url)}, {
  method: 'POST',
  headers: {
    ${lines.join(',\n    ')},
  },
  body: JSON.stringify({
    query: \`${template}\`,${others && `\n    ${others},`}
  }),
})
console.log(JSON.stringify(await response.json(), null, 2))
`
}

/** Editors may contain comments. An empty object is left out. Throws an error for the user about anything else. */
function parse(name: string, text?: string): Record<string, unknown> | undefined {
  try {
    const value = tryParseJSONC(text)
    return value && Object.keys(value).length > 0 ? value : undefined
  } catch (error) {
    throw new Error(`${name} ${(error as Error).message}`)
  }
}
