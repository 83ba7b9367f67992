import { lazy, Suspense } from 'react'
import type { GraphiQLPlugin } from '@graphiql/react'

/** The pane that builds a query by clicking. It is loaded when the user opens it. */
const Builder = lazy(async () => {
  const [{ explorerPlugin }] = await Promise.all([
    import('@graphiql/plugin-explorer'),
    import('@graphiql/plugin-explorer/style.css'),
  ])
  return { default: explorerPlugin().content }
})

export const builder: GraphiQLPlugin = {
  title: 'Query Builder',
  icon: (props) => (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" {...props}>
      <path d="M4 5h4v4H4zM4 15h4v4H4zM12 7h8M12 17h5M20 15v4M18 17h4" strokeLinejoin="round" />
    </svg>
  ),
  content: () => (
    <Suspense fallback={<p>Loading …</p>}>
      <Builder />
    </Suspense>
  ),
}
