// The schema's enums, times and numbers as the user reads them. Values that a newer schema may add are shown by their names.
import type { CallOrderStatus } from './__generated__/CallListQuery.graphql'

/** A status of an *order*, by which the list is filtered. A call has a status of its own: an order may lead to several calls. */
export type OrderStatus = Exclude<CallOrderStatus, '%future added value'>

const orderLabels: Record<OrderStatus, string> = {
  INITIALIZING: 'Preparing',
  QUEUED_FOR_CALLING: 'Queued',
  CALLING: 'Calling',
  SCHEDULED: 'Scheduled',
  COMPLETED: 'Completed',
  CANCELLED: 'Cancelled',
  ERRORED: 'Failed',
}

const callLabels: Record<string, string> = {
  // CallStatus
  QUEUED: 'Queued',
  RINGING: 'Ringing',
  ONGOING: 'In progress',
  COMPLETED: 'Ended',
  ERROR: 'Failed',
  // CallResult
  HUMAN: 'A person answered',
  VOICEMAIL: 'Voicemail',
  IVR: 'Phone menu',
  IOS_SCREENING_FILTER: 'Call screening',
  UNKNOWN: 'Unclear who answered',
  // DialError
  NUMBER_NON_ATTRIBUTED: 'No such number',
  TOO_MANY_CALLS: 'Too many calls',
  BUSY: 'Busy',
  TEMPORARILY_UNAVAILABLE: 'Unavailable',
  NO_ANSWER: 'No answer',
  NO_INTERNATIONAL_PERMISSION: 'Country not allowed',
  PRECONDITION_FAILED: 'A condition was not met',
  NON_CLASSIFIED_ERROR: 'Unknown reason',
  // CallEndedBy
  AGENT: 'The agent',
  USER: 'The person called',
  SYSTEM: 'The phone system',
}

/** Whether a call with this status has ended: it no longer changes. */
export const isOver = (status: string) => ['COMPLETED', 'ERROR'].includes(status)

export const orderStatuses = Object.keys(orderLabels) as OrderStatus[]

export const orderLabel = (status: OrderStatus) => orderLabels[status]

/** The label of any enum value of a call. */
export const labelOf = (value: string) => callLabels[value] ?? readable(value)

/** A name as in code, for people: `may_contact` becomes `May contact`. */
export function readable(name: string): string {
  const words = name.replaceAll('_', ' ').trim()
  return words === words.toUpperCase() ? capital(words.toLowerCase()) : capital(words)
}

const capital = (words: string) => words.charAt(0).toUpperCase() + words.slice(1)

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' })

/** A time of day, with the day unless that is today. */
export function formatTime(value: string): string {
  const date = new Date(value)
  const today = date.toDateString() === new Date().toDateString()
  return (today ? clock : dayAndClock).format(date)
}

/** 75.4 seconds are `1:15`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
