import { ToolbarButton, ToolbarMenu } from '@graphiql/react'
import { examples, type Example } from './examples'
import { useOpenTab } from './tabs'

/** Opens an example in a tab of its own, or the tab that has it already. */
export function ExamplesMenu() {
  const openTab = useOpenTab()
  const open = ({ query, variables = '' }: Example) => openTab(query, variables, (tab) => tab.query === query)

  return (
    <ToolbarMenu
      button={
        <ToolbarButton label="Examples">
          <svg className="graphiql-toolbar-icon" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
            <path d="M6 14h4M6.3 11.5h3.4c0-1.7 2.3-2.3 2.3-5a4 4 0 0 0-8 0c0 2.7 2.3 3.3 2.3 5z" />
          </svg>
        </ToolbarButton>
      }
    >
      {examples.map((example) => (
        <ToolbarMenu.Item key={example.title} onSelect={() => open(example)}>
          {example.title}
        </ToolbarMenu.Item>
      ))}
    </ToolbarMenu>
  )
}
