import { graphql, useFragment } from 'react-relay'
import type { Conversation_entries$data, Conversation_entries$key } from './__generated__/Conversation_entries.graphql'
import { readable } from './labels'

type Entry = Conversation_entries$data[number]

interface Props {
  entries: Conversation_entries$key | null | undefined
  inProgress: boolean
}

/** The transcript as a chat: the agent on one side, the person on the other, and the use of tools collapsed in between. */
export function Conversation({ entries, inProgress }: Props) {
  const turns = useFragment(
    graphql`
      fragment Conversation_entries on TranscriptEntry @relay(plural: true) {
        index
        role
        content
        toolName
        toolArguments
        toolIsError
      }
    `,
    entries ?? null,
  )
  if (!turns || turns.length === 0) {
    return <p className="note">{inProgress ? 'Nothing has been said yet.' : 'Nothing was said.'}</p>
  }
  return (
    <ol className="conversation" aria-label="Transcript">
      {turns.map((entry) => (
        <li key={entry.index} data-role={entry.role}>
          {entry.role === 'TOOL' ? <Tool entry={entry} /> : <Turn entry={entry} />}
        </li>
      ))}
      {inProgress && <li className="note">The call is in progress …</li>}
    </ol>
  )
}

const speakers: Record<string, string> = { ASSISTANT: 'Agent', USER: 'Person' }

function Turn({ entry }: { entry: Entry }) {
  return (
    <>
      <span className="speaker">{speakers[entry.role] ?? 'Other'}</span>
      <p className="bubble">{entry.content}</p>
    </>
  )
}

function Tool({ entry }: { entry: Entry }) {
  return (
    <details className="tool">
      <summary>
        {readable(entry.toolName ?? 'a tool')}
        {entry.toolIsError && <span className="failed">failed</span>}
      </summary>
      {entry.toolArguments != null && <pre tabIndex={0}>{asText(entry.toolArguments)}</pre>}
      <pre tabIndex={0}>{entry.content}</pre>
    </details>
  )
}

const asText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))
