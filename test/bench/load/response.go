package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// TranscriptEntry is an entry of a transcript, of the gateway and of the upstream.
type TranscriptEntry struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Call contains the parts of a call that are checked.
type Call struct {
	ID         string            `json:"id"`
	Transcript []TranscriptEntry `json:"transcript"`
}

// Connection contains the parts of a response that are checked.
type Connection struct {
	Nodes []Call `json:"nodes"` // also those of the edges
	Edges []struct {
		Cursor string `json:"cursor"`
		Node   Call   `json:"node"`
	} `json:"edges"`
	PageInfo struct {
		HasNextPage bool   `json:"hasNextPage"`
		StartCursor string `json:"startCursor"`
		EndCursor   string `json:"endCursor"`
	} `json:"pageInfo"`
}

// ReadCalls parses a response. It returns an error if the response has GraphQL errors, or no calls.
func ReadCalls(body []byte) (*Connection, error) {
	var a struct {
		Data struct {
			Calls *Connection `json:"calls"`
		} `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w: %.500s", err, body)
	}
	if a.Errors != nil || a.Data.Calls == nil {
		return nil, fmt.Errorf("the response has errors: %.500s", body)
	}
	for i := range a.Data.Calls.Edges {
		a.Data.Calls.Nodes = append(a.Data.Calls.Nodes, a.Data.Calls.Edges[i].Node)
	}
	return a.Data.Calls, nil
}

// Nodes returns the JSON of a response's calls, from nodes or edges, without whitespace. It escapes the same
// characters as encoding/json, and so as gqlgen's own transport.
func Nodes(body []byte) ([]byte, error) {
	var a struct {
		Data struct {
			Calls struct {
				Nodes json.RawMessage `json:"nodes"`
				Edges []struct {
					Node json.RawMessage `json:"node"`
				} `json:"edges"`
			} `json:"calls"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w", err)
	}
	nodes := a.Data.Calls.Nodes
	if nodes == nil {
		texts := make([][]byte, len(a.Data.Calls.Edges))
		for i, edge := range a.Data.Calls.Edges {
			texts[i] = edge.Node
		}
		nodes = slices.Concat([]byte{'['}, bytes.Join(texts, []byte{','}), []byte{']'})
	}
	var compact, escaped bytes.Buffer
	if err := json.Compact(&compact, nodes); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w", err)
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	return escaped.Bytes(), nil
}

// ErrorCode returns the code of the first error in a response, or in the text of an error. It is empty if there is
// none.
func ErrorCode(body []byte) string {
	_, rest, found := bytes.Cut(body, []byte(`"code":"`))
	code, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		return ""
	}
	return string(code)
}
