/**
 * Returns the headers that the user has written. Of names that differ only in case, the last one counts. Throws an error
 * for the user if one cannot be sent.
 */
export function headersOf(written: Record<string, unknown> = {}): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(written)) {
    const header = `Request header ${JSON.stringify(name)}`
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
      throw new Error(`${header} has a wrong name. Names consist of letters, digits and hyphens.`)
    }
    try {
      if (typeof value === 'object') throw new TypeError()
      headers.set(name, String(value))
    } catch {
      throw new Error(`${header} has a wrong value. Values are one line of text in Latin-1.`)
    }
  }
  return headers
}
