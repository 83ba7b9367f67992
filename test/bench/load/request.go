package load

import (
	"encoding/json"
	"fmt"
)

// everySaid are the fields of what was said in full.
const TranscriptFields = "id status transcript { index role content toolName toolArguments toolIsError }"

// callsQuestion is the body of a request. An empty cursor asks for the first window.
func CallsRequest(calls int, selection, after string) []byte {
	var variables map[string]string
	if after != "" {
		variables = map[string]string{"after": after}
	}
	return EncodeRequest(fmt.Sprintf("query ($after: String) { calls(first: %d, after: $after) { %s } }", calls, selection), variables)
}

func EncodeRequest(query string, variables map[string]string) []byte {
	body, err := json.Marshal(struct {
		Query     string            `json:"query"`
		Variables map[string]string `json:"variables,omitempty"`
	}{query, variables})
	if err != nil {
		panic(err) // strings alone can always be encoded
	}
	return body
}
