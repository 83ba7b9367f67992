import { useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { Kind, parse } from 'graphql'

/** What a tab holds of a query. */
type Content = { query: string | null; variables?: string | null }

/** Returns a function that opens a query: in the tab that `has` it, or else in a new tab. */
export function useOpenTab() {
  const queryEditor = useGraphiQL((state) => state.queryEditor)
  const variableEditor = useGraphiQL((state) => state.variableEditor)
  const tabs = useGraphiQL((state) => state.tabs)
  const { addTab, changeTab, setOperationFacts, stop, updateActiveTabValues } = useGraphiQLActions()

  return (query: string, variables: string, has: (tab: Content) => boolean) => {
    const index = tabs.findIndex(has)
    if (index >= 0) {
      changeTab(index)
    } else {
      stop() // The response of a running query would go to the new tab.
      addTab()
      queryEditor?.setValue(query)
      variableEditor?.setValue(variables)
      updateActiveTabValues({ query, variables }) // GraphiQL would do so only after a moment,
    }
    setOperationFacts(factsOf(query)) // and this too: until then, it would send the name of the other tab's operation.
  }
}

/** What GraphiQL keeps of a query to execute it; nothing of one that cannot be parsed. */
function factsOf(query: string) {
  try {
    const documentAST = parse(query)
    const operations = documentAST.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    return { documentAST, operations, operationName: operations[0]?.name?.value }
  } catch {
    return {}
  }
}
