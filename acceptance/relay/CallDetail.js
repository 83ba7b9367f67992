import { graphql } from 'react-relay'

graphql`
  fragment CallDetail_call on Call
  @argumentDefinitions(turns: { type: "Int", defaultValue: 2 })
  @refetchable(queryName: "CallDetailRefetchQuery") {
    startedAt
    durationSeconds
    transcript(roles: [USER, ASSISTANT], first: $turns) {
      index
      role
      content
    }
  }
`
