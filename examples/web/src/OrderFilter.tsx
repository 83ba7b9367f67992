import { orderStatuses, orderLabel, type OrderStatus } from './labels'

interface Props {
  chosen: OrderStatus[]
  choose: (statuses: OrderStatus[]) => void
}

/** Filters by the status of the order, which is not the status that a row shows: that one is the call's own. */
export function OrderFilter({ chosen, choose }: Props) {
  const toggle = (status: OrderStatus) =>
    choose(chosen.includes(status) ? chosen.filter((other) => other !== status) : [...chosen, status])

  return (
    <div className="filter" role="group" aria-labelledby="filter-name" aria-describedby="filter-help">
      <p className="filter-text">
        <strong id="filter-name">Status of the order</strong>
        <span id="filter-help">An order may take several calls. Each row is one call.</span>
      </p>
      <div className="chips">
        <button className="chip" aria-pressed={chosen.length === 0} onClick={() => choose([])}>
          Any
        </button>
        {orderStatuses.map((status) => (
          <button key={status} className="chip" aria-pressed={chosen.includes(status)} onClick={() => toggle(status)}>
            {orderLabel(status)}
          </button>
        ))}
      </div>
    </div>
  )
}
