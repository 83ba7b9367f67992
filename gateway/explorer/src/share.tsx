import { useEffect, useState } from 'react'
import { ToolbarButton, useGraphiQL } from '@graphiql/react'
import { shared } from './shared'
import { useOpenTab } from './tabs'

/*
 * A link to a query: the fragment of the address, which no server and no log sees, has `query` and `variables`. It never
 * has headers: they hold tokens.
 */

export type Shared = { query?: string; variables?: string }

/** Reads the query of a link. */
export function readLink(hash: string): Shared {
  const parameters = new URLSearchParams(hash.slice(1))
  return { query: parameters.get('query') ?? undefined, variables: parameters.get('variables') ?? undefined }
}

/** The link in the address. A link that is opened in a tab with this page changes only the fragment. */
export const currentLink = shared(readLink(location.hash))
// Not hashchange, which the same link does not cause again.
addEventListener('popstate', () => currentLink.set(readLink(location.hash)))

/** Opens the query of each link that comes after the first one, as soon as the editors are ready. */
export function OpenLinks({ first, ready }: { first: Shared; ready: boolean }) {
  const link = currentLink.use()
  const openTab = useOpenTab()
  useEffect(() => {
    const { query, variables = '' } = link
    if (!ready || link === first || !query) return
    openTab(query, variables, (tab) => tab.query === query && (tab.variables ?? '').trim() === variables.trim())
  }, [link, ready]) // and not when another tab is opened
  return null
}

/** Returns the link to a query. */
export function linkTo(address: string, { query, variables }: Shared): string {
  const url = new URL(address)
  // Not URLSearchParams: some chats lose its + for a space.
  const parameters = Object.entries({ query, variables }).filter(([, value]) => value?.trim())
  url.hash = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value!)}`).join('&')
  return url.href
}

/** Copies a link to the query in the editors. */
export function ShareButton() {
  const query = useGraphiQL((state) => state.queryEditor)
  const variables = useGraphiQL((state) => state.variableEditor)
  const [label, setLabel] = useState(unused)

  async function share() {
    const link = linkTo(location.href, { query: query?.getValue(), variables: variables?.getValue() })
    history.replaceState(null, '', link)
    // Without a clipboard (over plain HTTP beyond this machine), the address bar has the link.
    const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false)
    setLabel(copied ? 'The link is copied' : 'The link is in the address bar')
  }

  return (
    <ToolbarButton label={label} onClick={share} onBlur={() => setLabel(unused)} onMouseLeave={() => setLabel(unused)}>
      <svg className="graphiql-toolbar-icon" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" aria-hidden="true">
        <path d="M6.5 9.5a3 3 0 0 0 4.2 0l2.4-2.4a3 3 0 0 0-4.2-4.2l-.9.9" />
        <path d="M9.5 6.5a3 3 0 0 0-4.2 0L2.9 8.9a3 3 0 0 0 4.2 4.2l.9-.9" />
      </svg>
    </ToolbarButton>
  )
}

const unused = 'Copy a link to this query'
