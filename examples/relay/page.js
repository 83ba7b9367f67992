import { Window } from 'happy-dom'

/**
 * Opens the page of calls in a DOM without a browser, and waits for the list. It throws if the page fails.
 *
 * @param {{count: number, statuses?: string[], filter?: object, headers?: Record<string, string>}} options the
 *   size of a page, which calls, and headers for the gateway
 */
export async function newPage(url, options) {
  const window = new Window()
  // React DOM looks for these when it is loaded.
  Object.assign(globalThis, { window, document: window.document })
  globalThis.navigator ??= window.navigator
  letProcessEnd()
  const { mount } = await import('./build/mount.js')
  const { body } = window.document
  let fail
  const failed = new Promise((_, reject) => (fail = reject))
  const root = mount(body, url, options, fail)

  const items = () => [...body.querySelectorAll('li')]
  const changed = (condition) => Promise.race([failed, until(window, body, condition)])
  await changed(() => body.querySelector('ul') !== null)
  return {
    ids: () => items().map((item) => item.dataset.id),
    text: () => items().map((item) => item.innerText).join('\n\n'),
    hasMore: () => body.querySelector('.more') !== null,
    /** Presses the button for more, and waits. A page with a filter may have no calls although more follow. */
    more: async () => {
      const button = () => body.querySelector('.more')
      button().click()
      await changed(() => button()?.disabled !== false)
      await changed(() => !button()?.disabled)
    },
    /** What is said in an item of the list, and a press of its button for all that was said. */
    turns: (id) => turnsOf(body, id).map((turn) => turn.textContent),
    moreTurns: (id) => {
      const button = body.querySelector(`li[data-id="${id}"] button`)
      button.click()
      return changed(() => !button.isConnected)
    },
    close: () => {
      root.unmount()
      return window.happyDOM.close()
    },
  }
}

const turnsOf = (body, id) => [...body.querySelectorAll(`li[data-id="${id}"] p`)]

/** Relay sets timers of five minutes to drop what is no longer shown. They are no reason for a process to live on. */
function letProcessEnd() {
  const { setTimeout } = globalThis
  globalThis.setTimeout = (callback, delay, ...rest) => {
    const timer = setTimeout(callback, delay, ...rest)
    return delay < 60_000 ? timer : timer.unref()
  }
}

/** Waits until a condition holds, looking at it whenever the page changes. */
function until(window, body, condition) {
  return new Promise((resolve) => {
    const look = () => {
      if (!condition()) return
      observer.disconnect()
      resolve()
    }
    const observer = new window.MutationObserver(look)
    observer.observe(body, { subtree: true, childList: true, attributes: true })
    look()
  })
}
