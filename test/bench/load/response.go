package load

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// TranscriptEntry is an entry of a transcript, of the gateway and of the upstream.
type TranscriptEntry struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Connection contains the parts of a response that are checked.
type Connection struct {
	Nodes []struct {
		ID         string            `json:"id"`
		Transcript []TranscriptEntry `json:"transcript"`
	} `json:"nodes"`
	PageInfo struct {
		HasNextPage bool   `json:"hasNextPage"`
		EndCursor   string `json:"endCursor"`
	} `json:"pageInfo"`
}

// ReadCalls parses a response without errors.
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
	return a.Data.Calls, nil
}

// Nodes returns the JSON of a response's calls without whitespace, and with the same characters escaped as by
// encoding/json and so by gqlgen's own transport.
func Nodes(body []byte) ([]byte, error) {
	var a struct {
		Data struct {
			Calls struct {
				Nodes json.RawMessage `json:"nodes"`
			} `json:"calls"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w", err)
	}
	var compact, escaped bytes.Buffer
	if err := json.Compact(&compact, a.Data.Calls.Nodes); err != nil {
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
