// A list with only its visible rows in the page, so that it may be thousands of rows long. Calls that arrive above do not
// move the visible rows, and a button counts them.
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useEffectEvent, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode, type RefObject } from 'react'
import { CallRow } from './CallRow'
import type { CallRow_call$key } from './__generated__/CallRow_call.graphql'
import { href, navigate, useAddress } from './address'

export const rowHeight = 68

interface Props {
  calls: readonly (CallRow_call$key & { readonly id: string })[]
  /** Whether there is nothing to load after the last call. */
  complete: boolean
  /** Gets the first and last visible row whenever they change. */
  onShow: (first: number, last: number) => void
  /** Shown below the last row. */
  children: ReactNode
}

export function VirtualList({ calls, complete, onShow, children }: Props) {
  const open = useAddress().call
  const scroller = useRef<HTMLDivElement>(null)
  const { current, move, take } = useCurrentRow(calls, scroller)
  const virtualizer = useVirtualizer({
    count: calls.length,
    getScrollElement: () => scroller.current,
    getItemKey: (row) => calls[row]!.id,
    estimateSize: () => rowHeight,
    overscan: 6,
    // Rows keep their distance from the end, so rows that are added above do not move them.
    anchorTo: 'end',
    // The row that has the focus stays in the page wherever the user scrolls, or the keyboard would lose its position.
    rangeExtractor: (range) => {
      const rows = defaultRangeExtractor(range)
      return current < 0 || rows.includes(current) ? rows : [...rows, current].sort((a, b) => a - b)
    },
  })
  const first = virtualizer.range?.startIndex ?? 0
  const last = virtualizer.range?.endIndex ?? 0
  const unseen = useUnseen(calls, first)
  const stop = current < 0 ? first : current // the row that the Tab key moves to

  const show = useEffectEvent(onShow)
  useEffect(() => show(first, last), [first, last, calls.length])

  function press(event: KeyboardEvent) {
    const steps: Record<string, number> = { ArrowDown: stop + 1, ArrowUp: stop - 1, Home: 0, End: calls.length - 1 }
    const row = steps[event.key]
    if (row === undefined || row < 0 || row >= calls.length) return
    event.preventDefault()
    virtualizer.scrollToIndex(row)
    move(row)
  }

  function showNewest() {
    virtualizer.scrollToOffset(0)
    move(0) // The button disappears, and with it the focus.
  }

  return (
    <div className="list-frame">
      <div className="pill-place" role="status">
        {unseen > 0 && (
          <button className="pill" onClick={showNewest}>
            {unseen} new {unseen === 1 ? 'call' : 'calls'}
          </button>
        )}
      </div>
      <div className="scroller" ref={scroller}>
        <ul aria-label="Calls, newest first" style={{ height: virtualizer.getTotalSize() }} onKeyDown={press}>
          {virtualizer.getVirtualItems().map(({ index: row, key, start }) => (
            <li
              key={key}
              aria-setsize={complete ? calls.length : -1}
              aria-posinset={row + 1}
              style={{ height: rowHeight, transform: `translateY(${start}px)` }}
            >
              <a
                className="row"
                href={href({ call: calls[row]!.id })}
                data-call={calls[row]!.id}
                aria-current={calls[row]!.id === open ? 'true' : undefined}
                tabIndex={row === stop ? 0 : -1}
                onFocus={() => take(row)}
                onClick={(event) => {
                  if (event.metaKey || event.ctrlKey || event.shiftKey) return // a new tab or window
                  event.preventDefault()
                  navigate({ call: calls[row]!.id })
                }}
              >
                <CallRow call={calls[row]!} />
              </a>
            </li>
          ))}
        </ul>
        {children}
      </div>
    </div>
  )
}

/** The row that has or had the focus, -1 if none; the arrow keys move it. It is known by its id, because rows are added above. */
function useCurrentRow(calls: Props['calls'], scroller: RefObject<HTMLElement | null>) {
  const [id, setId] = useState<string | null>(null)
  const wanted = useRef(false)
  const current = calls.findIndex((call) => call.id === id)

  useLayoutEffect(() => {
    if (!wanted.current || id === null) return
    wanted.current = false
    scroller.current?.querySelector<HTMLElement>(`[data-call="${CSS.escape(id)}"]`)?.focus({ preventScroll: true })
  })

  const take = (row: number) => setId(calls[row]!.id)
  const move = (row: number) => {
    wanted.current = true
    take(row)
  }
  return { current, take, move }
}

/** The number of calls that have arrived above and have not been visible yet. */
function useUnseen(calls: Props['calls'], first: number): number {
  const [highest, setHighest] = useState(calls[0]?.id)
  const place = Math.max(0, calls.findIndex((call) => call.id === highest))
  const reached = Math.min(place, first)
  const id = calls[reached]?.id
  useEffect(() => setHighest(id), [id])
  return reached
}
