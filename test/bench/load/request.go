package load

import (
	"encoding/json"
	"fmt"
)

// TranscriptFields selects whole transcripts.
const TranscriptFields = "id status transcript { index role content toolName toolArguments toolIsError }"

// TranscriptsRequest returns the body of a request for the newest calls with whole transcripts.
func TranscriptsRequest(calls int) []byte {
	return EncodeRequest(fmt.Sprintf("{ calls(first: %d) { nodes { %s } } }", calls, TranscriptFields), nil)
}

// CallsRequest returns the body of a request for so many calls. An empty cursor requests the first ones.
func CallsRequest(calls int, selection, after string) []byte {
	var variables map[string]string
	if after != "" {
		variables = map[string]string{"after": after}
	}
	query := fmt.Sprintf("query ($after: String) { calls(first: %d, after: $after) { %s } }", calls, selection)
	return EncodeRequest(query, variables)
}

// EncodeRequest returns the body of a GraphQL request. Variables may be nil.
func EncodeRequest(query string, variables map[string]string) []byte {
	body, err := json.Marshal(struct {
		Query     string            `json:"query"`
		Variables map[string]string `json:"variables,omitempty"`
	}{query, variables})
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return body
}
