// The chosen requests, from the files in corpus/. Each group has queries, and optional values with which each query is
// combined: `fill`, texts that replace VALUE in the query and the variables; `variables`, JSON texts;
// `operationNames`, where null is none. CURSOR and a number are replaced by the cursor of that call.
import { readdirSync, readFileSync } from 'node:fs'

const folder = new URL('corpus/', import.meta.url)

/**
 * @param {string[]} cursors the cursors of the first calls of the list
 * @returns {{about: string, query: string, variables?: string, operationName?: string}[]}
 */
export function chosenRequests(cursors) {
  const groups = readdirSync(folder)
    .sort()
    .flatMap((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')))
  const requests = []
  for (const { about, queries, fill = ['VALUE'], variables = [null], operationNames = [null] } of groups) {
    for (const query of queries) {
      for (const value of fill) {
        for (const values of variables) {
          for (const operationName of operationNames) {
            const filled = (text) =>
              text?.replaceAll('VALUE', () => value).replace(/CURSOR(\d+)/g, (_, i) => cursors[i])
            requests.push({
              about,
              query: filled(query),
              variables: filled(values) ?? undefined,
              operationName: operationName ?? undefined,
            })
          }
        }
      }
    }
  }
  return requests
}
