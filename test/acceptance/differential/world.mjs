// The calls in the responses of both sides: as upstream's REST endpoint lists them, and as plain
// JavaScript resolves the schema's fields from them. The second half shares nothing with the gateway.
import { createServer } from 'node:http'
import { once } from 'node:events'

const key = 'sk_differential'

const time = (minutes, seconds = 0) =>
  new Date(Date.UTC(2026, 2, 14, 9, 0) - minutes * 60_000 + seconds * 1000).toISOString()

const talk = (...entries) => entries.map(([role, content, tool]) => ({ role, content, ...tool }))

/** The values that differ from call to call, in turn. The rest of a row is made below. */
const turns = {
  status: ['completed', 'completed', 'error', 'ongoing', 'queued', 'ringing', 'paused'],
  result: ['human', 'voicemail', null, 'IVR', 'ios-screening-filter'],
  dial_error: [null, null, 'no_answer', 'busy'],
  ended_by: ['agent', 'user', null, 'system'],
  end_reason: ['tool_end_call', null, 'voicemail'],
  phone_number: ['+33612345678', null, '+4930901820'],
  structured_output: [
    { nps: 9, note: 'fine', tags: ['a', 'b'] },
    null,
    { nps: null, nested: { z: 1, a: [true, 2.5, null] } },
    {},
  ],
  transcript: [
    talk(
      ['assistant', 'Hello, is this “Zoë” 👋?'],
      ['user', 'Yes.\nWho is calling?'],
      [
        'tool',
        '{"found": true}',
        { tool_name: 'look_up', tool_arguments: { id: 7, deep: { b: 1, a: 2 } }, tool_is_error: false },
      ],
      ['assistant', 'GOODBYE'],
    ),
    undefined,
    talk(),
    talk(
      ['user', 'hello?'],
      ['assistant', 'Hello.'],
      ['user', 'Goodbye'],
      ['tool', 'timeout', { tool_name: 'book', tool_arguments: 'as text', tool_is_error: true }],
      ['user', ''],
    ),
  ],
}

const orderStatuses = [
  'completed',
  'completed',
  'errored',
  'scheduled',
  'calling',
  'completed',
  'cancelled',
  'queued_for_calling',
]

export const rows = Array.from({ length: 45 }, (_, i) => ({
  id: `call-${i}`,
  ...Object.fromEntries(Object.entries(turns).map(([name, values]) => [name, values[i % values.length]])),
  started_at: i % 6 === 4 ? null : time(i * 7),
  answered_at: i % 3 === 2 ? null : time(i * 7, 5.25),
  ended_at: i % 4 === 3 ? null : time(i * 7, 65 + i),
  recording_url: i % 5 ? null : `https://recordings.example/${i}?a=1&b=<2>`,
  ...(i % 8 === 1 && { handled_by_ai: true }),
}))

const listed = (statuses) =>
  rows.filter((_, i) => statuses.length === 0 || statuses.includes(orderStatuses[i % orderStatuses.length]))

/**
 * Starts upstream on loopback: `GET /call`, with pages from 0. Returns the gateway's settings for it, and a function
 * that stops it.
 */
export async function startUpstream() {
  const server = createServer((request, response) => {
    const query = new URL(request.url, 'http://upstream').searchParams
    const size = Number(query.get('page_size')),
      from = Number(query.get('page')) * size
    const list = listed(query.get('statuses')?.split(',') ?? [])
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ calls: list.slice(from, from + size) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const settings = {
    REVOX_API_KEY: key,
    REVOX_BASE_URL: `http://127.0.0.1:${server.address().port}`,
    GATEWAY_UPSTREAM_FIRST_PAGE: '0',
  }
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { settings, stop }
}

/** An error of a resolver, with the gateway's code. */
class Failure extends Error {
  constructor(code) {
    super(code)
    this.extensions = { code }
  }
}

const enumName = (value) => value?.toUpperCase().replaceAll('-', '_') ?? null

/** Returns a row as an object of the type `Call`, from which graphql-js resolves fields by default. */
function callOf(row) {
  const seconds = (from, to) => (row[from] && row[to] ? (Date.parse(row[to]) - Date.parse(row[from])) / 1000 : null)
  const entries = row.transcript?.map((entry, index) => ({
    index,
    role: enumName(entry.role),
    content: entry.content,
    toolName: entry.tool_name ?? null,
    toolArguments: entry.tool_arguments ?? null,
    toolIsError: entry.tool_is_error ?? null,
  }))
  const isNew = row.status === 'paused'
  // in the row's order
  const extra = { ...(isNew && { status: row.status }), ...(row.handled_by_ai && { handled_by_ai: true }) }
  return {
    __typename: 'Call',
    id: row.id,
    status: isNew ? 'UNRECOGNIZED' : enumName(row.status),
    phoneNumber: row.phone_number,
    startedAt: row.started_at,
    answeredAt: row.answered_at,
    endedAt: row.ended_at,
    durationSeconds: seconds('answered_at', 'ended_at'),
    ringingSeconds: seconds('started_at', 'answered_at'),
    result: enumName(row.result),
    dialError: enumName(row.dial_error),
    endReason: row.end_reason,
    endedBy: enumName(row.ended_by),
    recordingUrl: row.recording_url,
    structuredOutput({ keys }) {
      const all = row.structured_output
      return all && keys ? Object.fromEntries(Object.entries(all).filter(([name]) => keys.includes(name))) : all
    },
    transcript({ roles, search, context, first, last }) {
      if (context < 0 || context > 100) throw new Failure('BAD_USER_INPUT')
      checkCounts(first, last)
      if (!entries) return null
      const fold = (text) => text.toLowerCase()
      let kept = entries.filter(({ role }) => !roles || roles.includes(role))
      if (search) {
        const found = kept.filter(({ content }) => fold(content).includes(fold(search)))
        kept = entries.filter(({ index }) => found.some((entry) => Math.abs(entry.index - index) <= (context ?? 0)))
      }
      if (first != null) kept = kept.slice(0, first)
      return last == null ? kept : kept.slice(Math.max(0, kept.length - last))
    },
    transcriptEntryCount: entries?.length ?? null,
    extra: Object.keys(extra).length ? extra : null,
  }
}

function checkCounts(first, last) {
  if (first < 0 || last < 0 || (first != null && last != null)) throw new Failure('BAD_USER_INPUT')
}

/** The cursor in the oracle's responses, since the gateway's are opaque. */
const cursorOf = (id) => `\u0000cursor of ${id}`

export const isCursor = (value) => typeof value === 'string' && value.startsWith('\u0000cursor')

/**
 * The resolvers of `Query`. `cursors` has the gateway's own cursors, of the list without statuses, each with the id of
 * its call.
 */
export function newRoot(cursors) {
  const find = (id) => {
    const row = rows.find((row) => row.id === id)
    return row ? callOf(row) : null
  }
  const bound = (list, cursor, statuses) => {
    if (!cursor) return undefined
    if (!cursors.has(cursor) || statuses.length > 0) throw new Failure('INVALID_CURSOR')
    return list.findIndex(({ id }) => id === cursors.get(cursor))
  }
  return {
    calls({ first, after, last, before, statuses }) {
      checkCounts(first, last)
      if (first > 100 || last > 100) throw new Failure('BAD_USER_INPUT')
      const wanted = [...new Set(statuses ?? [])]
      const list = listed(wanted.map((status) => status.toLowerCase()))
      const from = (bound(list, after, wanted) ?? -1) + 1
      const to = bound(list, before, wanted) ?? list.length
      const between = list.slice(from, Math.max(from, to))
      const shown = last == null ? between.slice(0, first ?? 20) : between.slice(Math.max(0, between.length - last))
      const nodes = shown.map(callOf)
      const start = last == null ? from : to - nodes.length // an empty range is at the end from which calls are counted
      return {
        nodes,
        edges: nodes.map((node) => ({ cursor: cursorOf(node.id), node })),
        totalCount: list.length,
        pageInfo: {
          hasNextPage: start + nodes.length < list.length,
          hasPreviousPage: start > 0,
          startCursor: nodes.length ? cursorOf(nodes[0].id) : null,
          endCursor: nodes.length ? cursorOf(nodes.at(-1).id) : null,
        },
      }
    },
    call: ({ id }) => find(id),
    node: ({ id }) => find(id),
    nodes: ({ ids }) => ids.map(find),
  }
}
