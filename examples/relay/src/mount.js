import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
import { CallsPage } from './CallsPage'
import { newEnvironment } from './environment'

/** Shows the calls of a gateway within an element of the page. */
export function mount(element, url, options) {
  const root = createRoot(element)
  root.render(createElement(CallsPage, { environment: newEnvironment(url), ...options }))
  return root
}
