import type { GraphiQLProps } from 'graphiql'

type Tab = NonNullable<GraphiQLProps['defaultTabs']>[number]

/**
 * The tabs of a first visit; later visits keep their own tabs. GraphiQL puts only the query of the first tab into its
 * editors, so the first tab must have no variables. Lines of up to 44 characters fit on a small screen.
 */
export const examples: Tab[] = [
  {
    query: `# Your newest calls. Ctrl-Enter runs this;
# Ctrl-Space between the braces shows what
# else a call can tell you.
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
  {
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
]

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
