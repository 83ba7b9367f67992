// The schema's enums and numbers, in words. Values that a newer schema may add are shown by their names.
import type { CallOrderStatus } from './__generated__/CallListQuery.graphql'

/** A status of an *order*, by which the list is filtered. A call has a status of its own: an order may lead to several calls. */
export type OrderStatus = Exclude<CallOrderStatus, '%future added value'>

const orderWords: Record<OrderStatus, string> = {
  INITIALIZING: 'Preparing',
  QUEUED_FOR_CALLING: 'Queued',
  CALLING: 'Calling',
  SCHEDULED: 'Scheduled',
  COMPLETED: 'Done',
  CANCELLED: 'Called off',
  ERRORED: 'Given up',
}

const callWords: Record<string, string> = {
  // CallStatus
  QUEUED: 'Queued',
  RINGING: 'Ringing',
  ONGOING: 'In progress',
  COMPLETED: 'Ended',
  ERROR: 'Not put through',
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
  NON_CLASSIFIED_ERROR: 'Failed',
  // CallEndedBy
  AGENT: 'The agent',
  USER: 'The person called',
  SYSTEM: 'The phone system',
}

export const orderStatuses = Object.keys(orderWords) as OrderStatus[]

export const orderWord = (status: OrderStatus) => orderWords[status]

export const callWord = (value: string) => callWords[value] ?? plain(value)

/** A name as in code, for people: `may_contact` becomes `May contact`. */
export function plain(name: string): string {
  const words = name.replaceAll('_', ' ').trim()
  return words === words.toUpperCase() ? capital(words.toLowerCase()) : capital(words)
}

const capital = (words: string) => words.charAt(0).toUpperCase() + words.slice(1)

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' })

/** A moment, with its day unless that is today. */
export function moment(value: string): string {
  const date = new Date(value)
  const today = date.toDateString() === new Date().toDateString()
  return (today ? clock : dayAndClock).format(date)
}

/** 75.4 seconds are `1:15`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
