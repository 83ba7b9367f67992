import { request, type Options } from './request.js'
import { graphql } from './gql/gql.js'
import type { AnsweredCallsQueryVariables, NewestCallsQuery } from './gql/graphql.js'

const NEWEST_CALLS = graphql(`
  query NewestCalls($first: Int!) {
    calls(first: $first) {
      nodes {
        id
        status
        startedAt
        structuredOutput
        extra
      }
    }
  }
`)

export type Call = NonNullable<NewestCallsQuery['calls']>['nodes'][number]

export async function newestCalls(url: string, first: number, options: Options = {}): Promise<Call[]> {
  const { calls } = await request(url, NEWEST_CALLS, { first }, options)
  return calls?.nodes ?? []
}

const ANSWERED_CALLS = graphql(`
  query AnsweredCalls($after: String, $filter: CallFilter) {
    calls(first: 100, after: $after, filter: $filter) {
      nodes {
        id
        durationSeconds
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`)

/** What a filter may ask for: the compiler knows its members, its enums, and which of them need a value. */
export type Filter = NonNullable<AnsweredCallsQueryVariables['filter']>

/** How long the calls lasted that pass a filter, in seconds. A page of a filter may have no calls although more follow. */
export async function* durations(url: string, filter: Filter, options: Options = {}): AsyncGenerator<number> {
  for (let after: string | null | undefined; ; ) {
    const { calls } = await request(url, ANSWERED_CALLS, { after, filter }, options)
    for (const { durationSeconds } of calls?.nodes ?? []) if (durationSeconds != null) yield durationSeconds
    if (!calls?.pageInfo.hasNextPage) return
    after = calls.pageInfo.endCursor
  }
}

/** A call in one line. `DateTime` is a string, to be made a `Date`; `JSON` is unknown until it is looked at. */
export function summary(call: Call): string {
  const started = call.startedAt ? new Date(call.startedAt).toLocaleTimeString('en-GB', { timeZone: 'UTC' }) : 'not yet'
  return `${started}  ${statusOf(call)}  ${keys(call.structuredOutput).join(', ')}`
}

/**
 * The compiler asks for every status here, so a status that comes with a new schema cannot be forgotten. One that is newer
 * than the schema arrives as UNRECOGNIZED, with the raw text in `extra`.
 */
export function statusOf({ status, extra }: Pick<Call, 'status' | 'extra'>): string {
  switch (status) {
    case 'QUEUED':
      return 'waiting'
    case 'RINGING':
      return 'ringing'
    case 'ONGOING':
      return 'talking'
    case 'COMPLETED':
      return 'done'
    case 'ERROR':
      return 'failed'
    case 'UNRECOGNIZED':
      return isObject(extra) ? String(extra['status']) : 'unknown'
    default:
      return status satisfies never
  }
}

const keys = (value: unknown) => (isObject(value) ? Object.keys(value) : [])

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
