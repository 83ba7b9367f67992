import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
import { CallsPage } from './CallsPage'
import { newEnvironment } from './environment'

/** Shows the calls of a gateway within an element of the page. A failure removes them, and is passed to `onError`. */
export function mount(element, url, { headers, ...options }, onError) {
  const root = createRoot(element, { onUncaughtError: onError })
  root.render(createElement(CallsPage, { environment: newEnvironment(url, headers), ...options }))
  return root
}
