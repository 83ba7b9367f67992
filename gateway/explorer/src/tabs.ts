import { useGraphiQL, useGraphiQLActions } from '@graphiql/react'

/** What a tab holds of a query. */
type Content = { query: string | null; variables?: string | null }

/** Returns a function that opens a query: in the tab that `has` it, or else in a new tab. */
export function useOpenTab() {
  const queryEditor = useGraphiQL((state) => state.queryEditor)
  const variableEditor = useGraphiQL((state) => state.variableEditor)
  const tabs = useGraphiQL((state) => state.tabs)
  const { addTab, changeTab, stop, updateActiveTabValues } = useGraphiQLActions()

  return (query: string, variables: string, has: (tab: Content) => boolean) => {
    const index = tabs.findIndex(has)
    if (index >= 0) return changeTab(index)
    stop() // The response of a running query would go to the new tab.
    addTab()
    queryEditor?.setValue(query)
    variableEditor?.setValue(variables)
    updateActiveTabValues({ query, variables }) // GraphiQL would do so only after a moment.
  }
}
