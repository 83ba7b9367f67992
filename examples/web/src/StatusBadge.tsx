import { labelOf } from './labels'

/** The call's own status, as a word; its colour only repeats that. */
export function StatusBadge({ status }: { status: string }) {
  return (
    <span className="badge" data-status={status}>
      {labelOf(status)}
    </span>
  )
}
