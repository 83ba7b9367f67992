import type { TypedDocumentString } from './gql/graphql.js'

/** Sends a document. Its type has the types of the variables and of the data. */
export async function request<Data, Variables>(
  url: string,
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  { trusted = false, headers = {} }: Options = {},
): Promise<Data> {
  // A gateway that runs trusted documents only gets the id that codegen gave the document.
  const operation = trusted ? { documentId: document.__meta__?.['hash'] } : { query: document.toString() }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', ...headers },
    body: JSON.stringify({ ...operation, variables }),
  }).catch(() => {
    throw new Error(`There is no gateway at ${url}.`)
  })
  const { data, errors = [] }: Answer<Data> = await response.json().catch(() => {
    throw new Error(`There is no GraphQL at ${url}: it must be the whole address, with /graphql.`)
  })
  for (const { message, path, extensions } of errors) {
    const sentence = `${message} (${extensions.code})`
    // A root field that failed is null, which would look like an empty list. Otherwise the rest of the data is there.
    if (!path || data?.[path[0]] == null) throw new Error(sentence)
    console.warn(sentence)
  }
  return data!
}

export interface Options {
  trusted?: boolean
  headers?: Record<string, string>
}

interface Answer<Data> {
  data?: Data & Record<string, unknown>
  errors?: GatewayError[]
}

interface GatewayError {
  message: string
  path?: [string, ...unknown[]]
  extensions: { code: string }
}
