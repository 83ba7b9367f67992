import { useTransition } from 'react'
import { graphql, useRefetchableFragment } from 'react-relay'

/** How a conversation began, and a button that fetches all of it, by `node(id:)`. */
export function CallDetail({ call }) {
  const [isPending, startTransition] = useTransition()
  const [data, refetch] = useRefetchableFragment(
    graphql`
      fragment CallDetail_call on Call
      @argumentDefinitions(turns: { type: "Int", defaultValue: 1 })
      @refetchable(queryName: "CallDetailRefetchQuery") {
        transcriptEntryCount
        transcript(first: $turns) {
          index
          role
          content
        }
      }
    `,
    call,
  )
  if (!data) return <p>This call is no longer in the list.</p>
  const turns = data.transcript ?? []
  return (
    <>
      {turns.map(({ index, role, content }) => (
        <p key={index}>
          {role}: {content}
        </p>
      ))}
      {turns.length < data.transcriptEntryCount && (
        <button disabled={isPending} onClick={() => startTransition(() => refetch({ turns: data.transcriptEntryCount }))}>
          All that was said
        </button>
      )}
    </>
  )
}
