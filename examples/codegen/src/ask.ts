import type { TypedDocumentString } from './gql/graphql.js'

/** Asks the gateway, typed by the document: its variables going in, its data coming out. */
export async function ask<Data, Variables>(
  url: string,
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  { trusted = false } = {},
): Promise<Data> {
  // A gateway that runs trusted documents only is told the id that codegen gave this one.
  const operation = trusted ? { documentId: document.__meta__?.['hash'] } : { query: document.toString() }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ ...operation, variables }),
  })
  const { data, errors } = (await response.json()) as { data?: Data; errors?: GatewayError[] }
  if (!data) throw new Error(errors?.map(({ message, extensions }) => `${extensions.code}: ${message}`).join('\n'))
  return data
}

interface GatewayError {
  message: string
  extensions: { code: string }
}
