export type Example = { title: string; query: string; variables?: string }

/** When a day began, in UTC, as many days before this one: a fixed date would show ever more calls. */
function startOfDay(daysAgo: number): string {
  const day = new Date()
  day.setUTCDate(day.getUTCDate() - daysAgo)
  return `${day.toISOString().slice(0, 10)}T00:00:00Z`
}

/** The examples in the order of their menu. Lines of up to 44 characters fit on a small screen. */
export const examples: Example[] = [
  {
    title: 'Newest calls',
    query: `# Your newest calls. Ctrl-Enter runs this;
# Ctrl-Space between the braces lists what
# else a call has. The light bulb beside this
# editor opens more examples.
query NewestCalls {
  calls(first: 10) {
    nodes {
      id
      status
      phoneNumber
      startedAt
      durationSeconds
      result
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}`,
  },
  {
    title: 'Transcripts',
    query: `# Who said what. A transcript can be cut to
# what you show: here to people, without the
# agent's use of tools, and to 6 turns.
query Transcripts {
  calls(first: 5, statuses: [COMPLETED]) {
    nodes {
      id
      startedAt
      transcriptEntryCount
      transcript(
        roles: [USER, ASSISTANT]
        first: 6
      ) {
        role
        content
      }
    }
  }
}`,
  },
  {
    title: 'Calls answered last week',
    query: `# Calls of the last week that a person
# answered, newest first. A page may hold fewer
# calls than "first" although more follow: go
# on while "hasNextPage" is true.
query Answered($from: DateTime!) {
  calls(
    first: 10
    filter: {
      result: [HUMAN]
      startedAt: { from: $from }
    }
  ) {
    nodes {
      id
      phoneNumber
      startedAt
      durationSeconds
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}`,
    variables: `{
  "from": "${startOfDay(7)}"
}`,
  },
  {
    title: 'Outcomes',
    query: `# What the agent found out. Name the keys that
# you show. What Revox sends beyond the schema
# is in "extra".
query Outcomes {
  calls(first: 10, statuses: [COMPLETED]) {
    nodes {
      id
      result
      structuredOutput(keys: ["outcome", "nps"])
      extra
    }
  }
}`,
  },
  {
    title: 'Calls in which a word was said',
    query: `# Who said a word, and what was said before
# and after it. "scan" tells how many calls
# were read to find these.
query WhoSaid($text: String!) {
  calls(
    first: 5
    filter: {
      transcript: {
        contains: $text
        roles: [USER]
      }
    }
  ) {
    nodes {
      id
      phoneNumber
      startedAt
      transcript(
        roles: [USER, ASSISTANT]
        search: $text
        context: 1
      ) {
        role
        content
      }
    }
    scan {
      examined
      stoppedBy
    }
  }
}`,
    variables: `{
  "text": "cancel"
}`,
  },
  {
    title: 'Answer rate by day',
    query: `# How many calls of each day were answered,
# and by whom. Leave "groupBy" out for one
# group per day: "answered" divided by "count"
# is its answer rate. If "complete" is false,
# older calls were not counted.
query AnswerRate($from: DateTime!) {
  callStats(
    every: DAY
    groupBy: [RESULT]
    filter: { startedAt: { from: $from } }
  ) {
    count
    groups {
      from
      result
      count
      answered
      durationSeconds {
        average
      }
    }
    scan {
      examined
      complete
    }
  }
}`,
    variables: `{
  "from": "${startOfDay(2)}"
}`,
  },
  {
    title: 'Two totals in one request',
    query: `# Two totals in one request: "first: 0" reads
# no calls. Aliases tell the answers apart.
query Totals {
  all: calls(first: 0) {
    totalCount
  }
  failed: calls(first: 0, statuses: [ERRORED]) {
    totalCount
  }
}`,
  },
  {
    title: 'Orders given up',
    query: `# Orders given up after failing. "statuses"
# filters by order; "status" and "dialError"
# are about one attempt to call.
query FailedCalls {
  calls(first: 10, statuses: [ERRORED]) {
    nodes {
      id
      status
      dialError
      endReason
      phoneNumber
      startedAt
    }
  }
}`,
  },
  {
    title: 'Walk the whole list',
    query: `# A walk down the whole list. Run it, paste
# the answer's "endCursor" as "after" in the
# variables below, and run it again. No call
# comes twice, even while new ones arrive.
query Walk($first: Int!, $after: String) {
  calls(first: $first, after: $after) {
    edges {
      cursor
      node {
        id
        status
        startedAt
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}`,
    variables: `{
  "first": 10,
  "after": null
}`,
  },
]

/**
 * The tabs of a first visit; later visits keep their own tabs. GraphiQL puts only the query of the first tab into its
 * editors, so the first tab must have no variables.
 */
export const firstTabs = examples.slice(0, 3)

/**
 * What the header editor has at first. Its text is JSON with comments, and must stay within Latin-1: a header of any other
 * character is refused by the browser.
 */
export const headers = `{
  // Headers of your requests. The page adds the
  // token that it asks for. What you write here
  // is never stored, nor put into a link.
  // "X-Request-Id": "my-request"
}`
