/**
 * The browser's storage without headers. GraphiQL can leave out the headers of its tabs, but its history keeps those of
 * every query that it has run, and they hold tokens.
 */
export const storageWithoutHeaders = {
  getItem: (key: string) => localStorage.getItem(key),
  setItem: (key: string, value: string) =>
    localStorage.setItem(key, history.has(key) ? withoutHeaders(value) : value),
  removeItem: (key: string) => localStorage.removeItem(key),
  clear: () => Object.keys(localStorage).filter(ours).forEach((key) => localStorage.removeItem(key)),
  get length() {
    return Object.keys(localStorage).filter(ours).length
  },
}

/** Other pages may be served from the same origin. */
const ours = (key: string) => key.startsWith('graphiql:')

const history = new Set(['graphiql:queries', 'graphiql:favorites'])

function withoutHeaders(json: string): string {
  return JSON.stringify(JSON.parse(json), (key, value) => (key === 'headers' ? null : value))
}
