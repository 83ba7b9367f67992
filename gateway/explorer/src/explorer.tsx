import { useEffect, useState } from 'react'
import { HISTORY_PLUGIN } from '@graphiql/plugin-history'
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { GraphiQL } from 'graphiql'
import { builder } from './builder'
import { CopyMenu } from './copyAs'
import { firstTabs, headers } from './examples'
import { ExamplesMenu } from './examplesMenu'
import { demo, fetcher, problem } from './gateway'
import { currentLink, OpenLinks, ShareButton } from './share'
import { StatusBar } from './statusBar'
import { storageWithoutHeaders } from './storage'
import { TokenDialog } from './tokenDialog'

// Created once: for GraphiQL, a new list is a change that closes the open pane.
const plugins = [HISTORY_PLUGIN, builder]

export function Explorer() {
  const isDemo = demo.use()
  const advice = problem.use()
  const [ready, setReady] = useState(false)
  const [link] = useState(currentLink.get)

  return (
    <>
      {/* Always present: screen readers announce text that appears in a status, not a status that appears. */}
      <div role="status" className="demo">
        {isDemo && (
          <p>
            <strong>Demo data:</strong> made-up calls that keep arriving. Set <code>REVOX_API_KEY</code> to see your own.
          </p>
        )}
      </div>
      <div role="alert" className="problem">
        {advice && <p>{advice}</p>}
      </div>
      {/* Before the editors are ready, a click on a tab would leave them with the text of another tab. */}
      <div className="explorer" inert={!ready}>
        <GraphiQL
          fetcher={fetcher}
          plugins={plugins}
          // At a first visit the linked query is an additional tab; later visits add it to their tabs.
          defaultTabs={link.query ? [{ ...link, query: link.query }, ...firstTabs] : firstTabs}
          initialQuery={link.query}
          // Without variables in the link, GraphiQL would take those of the last visit.
          initialVariables={link.query && (link.variables ?? '')}
          defaultEditorToolsVisibility="variables"
          inputValueDeprecation
          isHeadersEditorEnabled
          defaultHeaders={headers}
          // Headers hold tokens: they can be edited, but are never written to the browser's storage.
          shouldPersistHeaders={false}
          storage={storageWithoutHeaders}
        >
          <GraphiQL.Logo>Revox GraphQL</GraphiQL.Logo>
          <GraphiQL.Toolbar>
            {({ prettify, merge, copy }) => (
              <>
                {prettify}
                {merge}
                {copy}
                <ExamplesMenu />
                <CopyMenu />
                <ShareButton />
              </>
            )}
          </GraphiQL.Toolbar>
          <GraphiQL.Footer>
            <StatusBar />
          </GraphiQL.Footer>
          <OnReady call={setReady} />
          <OpenLinks first={link} ready={ready} />
          <RunByKeyboard />
          <FollowSystemTheme />
        </GraphiQL>
      </div>
      <TokenDialog />
    </>
  )
}

/** Reports when all editors are ready. */
function OnReady({ call }: { call: (ready: boolean) => void }) {
  const ready = useGraphiQL((state) =>
    Boolean(state.queryEditor && state.variableEditor && state.headerEditor && state.responseEditor),
  )
  useEffect(() => call(ready), [call, ready])
  return null
}

/** Lets Ctrl-Enter run the query wherever the focus is. The editors have a shortcut of their own. */
function RunByKeyboard() {
  const { run } = useGraphiQLActions()
  useEffect(() => {
    function press(event: KeyboardEvent) {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return
      const target = event.target as Element
      if (target.closest('.monaco-editor, dialog, [role=dialog], [inert]')) return
      event.preventDefault() // A button that has the focus would be pressed too.
      run()
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [run])
  return null
}

/** GraphiQL reads the system theme only once; its editors would stay light in a page that has turned dark. */
function FollowSystemTheme() {
  const theme = useGraphiQL((state) => state.theme)
  const { setTheme } = useGraphiQLActions()
  useEffect(() => {
    if (theme) return // The user chose one.
    const system = matchMedia('(prefers-color-scheme: dark)')
    const follow = () => setTheme(null)
    system.addEventListener('change', follow)
    return () => system.removeEventListener('change', follow)
  }, [theme, setTheme])
  return null
}
