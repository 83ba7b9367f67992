// Package hostile has documents that attack a GraphQL server, for tests and measurements.
package hostile

import (
	"fmt"
	"strings"
)

// Document is a document that must be rejected: with this code, in milliseconds, without a request to upstream.
type Document struct{ Name, Text, Code string }

// Documents are one attack each. Without limits, most of them take seconds, or gigabytes.
func Documents() []Document {
	const selection = "{ nodes { id transcript { content } } }"
	return []Document{
		{"10,000 aliases", "{" + Numbered(" a%d: calls { nodes { id } }", 10_000) + " }", "QUERY_TOO_LARGE"},
		{
			"31 aliases of one field",
			"{ calls { nodes {" + Numbered(" a%d: transcript { content }", 31) + " } } }",
			"QUERY_TOO_COMPLEX",
		},
		{
			"70 root aliases of calls(first: 100)", "{" + Numbered(" a%d: calls(first: 100) { nodes { id } }", 70) + " }",
			"QUERY_TOO_COMPLEX",
		},
		{
			"5 of calls(first: 100) with transcripts", "{" + Numbered(" a%d: calls(first: 100) "+selection, 5) + " }",
			"QUERY_TOO_COMPLEX",
		},
		{"2,000 fields that conflict", "{" + Numbered(" calls(first: %d) { totalCount }", 2000) + " }", "QUERY_TOO_LARGE"},
		{"110 fields that conflict", "{" + Numbered(" call(id: %d) { id }", 110) + " }", "QUERY_TOO_COMPLEX"},
		{"70 fields that conflict", "{" + Numbered(" call(id: %d) { id }", 70) + " }", "GRAPHQL_VALIDATION_FAILED"},
		{
			"70 fields that conflict deeper",
			"{ calls { nodes {" + Numbered(" transcript(first: %d) { role }", 70) + " } } }",
			"GRAPHQL_VALIDATION_FAILED",
		},
		{"one field repeated, 250 KB", "{" + strings.Repeat(" __typename", 23_000) + " }", "QUERY_TOO_LARGE"},
		{"1 MB of one field", "{" + strings.Repeat(" __typename", 95_000) + " }", "QUERY_TOO_LARGE"},
		{"a chain of 5,000 fragments", "{ ...F0 }" + Numbered(" fragment F%d on Query { ...F }", 5000), "QUERY_TOO_LARGE"},
		{"fragments that double 40 times", "{ ...F0 }" + Doubling(40, "Query", "calls "+selection), "QUERY_TOO_COMPLEX"},
		{
			"fragments that double 40 times in calls", "{ calls { nodes { ...F0 } } }" + Doubling(40, "Call", "id"),
			"QUERY_TOO_COMPLEX",
		},
		{
			"fragments in a cycle",
			"{ ...A } fragment A on Query { ...B ...B __typename } fragment B on Query { ...A ...A }",
			"GRAPHQL_VALIDATION_FAILED",
		},
		{
			"a fragment of itself, in fields",
			"{ __schema { types { ...A } } } fragment A on __Type { ofType { ...A } }",
			"GRAPHQL_VALIDATION_FAILED",
		},
		{"80,000 unknown directives", "{ __typename " + strings.Repeat("@a ", 80_000) + "}", "QUERY_TOO_LARGE"},
		{"490 unknown directives", "{ __typename " + strings.Repeat("@a ", 490) + "}", "GRAPHQL_VALIDATION_FAILED"},
		{"980 unknown fields", "{" + Numbered(" calk%d", 980) + " }", "QUERY_TOO_COMPLEX"},
		{"980 unknown fields deeper", "{ calls {" + Numbered(" node%d", 980) + " } }", "GRAPHQL_VALIDATION_FAILED"},
		{"one field 990 times, 1,000 tokens", "{" + strings.Repeat(" __typename", 990) + " }", "QUERY_TOO_COMPLEX"},
		{
			"one field 970 times in two",
			"{" + strings.Repeat(" calls {"+strings.Repeat(" totalCount", 485)+" }", 2) + " }",
			"QUERY_TOO_COMPLEX",
		},
		{
			"60 fragments in cycles",
			"{ __typename } " + Numbered(" fragment F%d on Call { id id id ...F%d ...F0 }", 60),
			"GRAPHQL_VALIDATION_FAILED",
		},
		{
			"one field 900 times in an unused fragment",
			"{ __typename } fragment F on Call {" + strings.Repeat(" id", 900) + " }",
			"QUERY_TOO_COMPLEX",
		},
		{"an unknown field of 250 KB", "{ " + strings.Repeat("calk", 63_000) + " }", "QUERY_TOO_LARGE"},
		{
			"an enum value of 250 KB",
			`{ calls(statuses: "` + strings.Repeat("calk", 63_000) + `") { nodes { id } } }`,
			"GRAPHQL_VALIDATION_FAILED",
		},
		{"120,000 comments", "{ __typename }" + strings.Repeat("#\n", 120_000), "QUERY_TOO_LARGE"},
		{"a value 100,000 lists deep", "{ nodes(ids: " + strings.Repeat("[", 100_000) + ") { id } }", "QUERY_TOO_LARGE"},
		{
			"a value 480 lists deep",
			"{ nodes(ids: " + strings.Repeat("[", 480) + strings.Repeat("]", 480) + ") { id } }",
			"GRAPHQL_VALIDATION_FAILED",
		},
		{
			"introspection in a circle",
			"{ __schema { types {" + strings.Repeat(" fields { type {", 30) + " name" + strings.Repeat(" } }", 30) + " } } }",
			"QUERY_TOO_COMPLEX",
		},
	}
}

// Numbered are n texts, each with its number in the place of %d.
func Numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, strings.ReplaceAll(format, "%d", "%[1]d"), i)
	}
	return b.String()
}

// Doubling are fragments that double n times, and end in a selection.
func Doubling(n int, on, end string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on %s { ...F%d ...F%d }", i, on, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on %s { %s }", n, on, end)
	return b.String()
}
